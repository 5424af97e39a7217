//! A process killed at any moment of a training run or a publish leaves the store intact: `latest.json` names a
//! complete version, every listed version is complete, and the next writer removes the rest.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{TRAINER, alone, done, folder, leftovers, names, opened, quick_demo, shop};
use qianmian_models::storage::versions::ShopStore;
use rand::RngExt;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// Files of an artifact without graphs: eleven sections, the manifest, its checksum.
const FILES: usize = 13;

/// The moment of a kill.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// This long after the start.
    After(Duration),
    /// As soon as the hidden folder has this many files.
    Writing(usize),
    /// This long after the version got its name, while it is verified and published.
    Named(Duration),
    /// As soon as the new pointer file exists in addition to the old one.
    Pointing,
}

struct Shop {
    _folder: TempDir,
    store: PathBuf,
    shop: ShopStore,
    train: Vec<OsString>,
}

impl Shop {
    /// A small demo shop, one version of which is published.
    fn new() -> Self {
        let folder = folder();
        let (config, store) = (quick_demo(folder.path(), 1_000), folder.path().join("store"));
        let train = args!["train", "--config", config, "--store", store].to_vec();
        done(&train);
        Self { shop: shop(&store), store, train, _folder: folder }
    }

    /// Starts the binary and kills it at `moment`; returns true if it was still running.
    fn killed(&self, args: &[OsString], moment: Moment) -> bool {
        let before = self.shop.versions().unwrap().len();
        let started = Instant::now();
        let mut child =
            Command::new(TRAINER).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until(&mut child, || match moment {
            Moment::After(delay) => started.elapsed() >= delay,
            Moment::Writing(n) => self.hidden(".writing-").is_some_and(|folder| files(folder) >= n),
            Moment::Named(_) => self.shop.versions().unwrap().len() > before,
            Moment::Pointing => self.hidden(".latest.json-").is_some(),
        });
        if let Moment::Named(delay) = moment {
            std::thread::sleep(delay);
        }
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        running
    }

    fn hidden(&self, start: &str) -> Option<PathBuf> {
        let name = names(self.shop.folder()).into_iter().find(|name| name.starts_with(start))?;
        Some(self.shop.folder().join(name))
    }

    /// Checks the store after a kill.
    fn check(&self, case: &str) {
        let latest = self.shop.latest().unwrap().expect(case);
        let versions = self.shop.versions().unwrap();
        for version in &versions {
            opened(&self.shop.artifact(Some(version)).expect(case));
        }
        for named in [Some(latest.version), latest.previous].into_iter().flatten() {
            assert!(versions.contains(&named), "{case}: {named} of {versions:?}");
        }
        assert!(leftovers(&self.shop).len() <= 2, "{case}: {:?}", leftovers(&self.shop));
    }
}

/// Polls without a pause until `reached` or the end of the process.
fn wait_until(child: &mut Child, reached: impl Fn() -> bool) {
    while !reached() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// The number of files in a folder; 0 once it has been renamed.
fn files(folder: PathBuf) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count())
}

#[test]
fn killed_run_leaves_a_complete_version_published() {
    let _alone = alone();
    let demo = Shop::new();
    let started = Instant::now();
    done(&demo.train);
    let whole = started.elapsed();
    let mut rng = ChaCha8Rng::seed_from_u64(40);
    let mut moments: Vec<Moment> = (0..=FILES).map(Moment::Writing).collect();
    moments.extend((0..18).map(|_| Moment::After(whole.mul_f64(rng.random_range(0.0..1.1)))));
    moments.extend((0..6).map(|_| Moment::Named(Duration::from_micros(rng.random_range(0..8_000)))));
    moments.extend([Moment::Pointing; 4]);
    moments.shuffle(&mut rng);

    let (mut running, mut interrupted) = (0, 0);
    for moment in &moments {
        running += usize::from(demo.killed(&demo.train, *moment));
        demo.check(&format!("{moment:?}"));
        interrupted += usize::from(demo.hidden(".writing-").is_some());
    }
    // Otherwise most kills came after the end of the process and tested nothing.
    assert!(running > moments.len() / 2, "{running} of {} were killed before their end", moments.len());
    assert!(interrupted > 0, "no run was killed while it wrote");

    done(&demo.train);
    demo.check("the run after all");
    assert_eq!(leftovers(&demo.shop), [""; 0]);
}

#[test]
fn killed_publish_leaves_one_of_two_versions_published() {
    let _alone = alone();
    let demo = Shop::new();
    done(&demo.train);
    let versions = demo.shop.versions().unwrap();
    let publish = |n: usize| args!["publish", versions[n % 2], "--store", demo.store].to_vec();
    let started = Instant::now();
    done(&publish(0));
    let whole = started.elapsed();
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    for n in 0..30 {
        let moment = match n % 3 {
            0 => Moment::Pointing,
            _ => Moment::After(whole.mul_f64(rng.random_range(0.0..1.1))),
        };
        demo.killed(&publish(n), moment);
        demo.check(&format!("{moment:?}"));
    }
    done(&publish(1));
    assert_eq!(demo.shop.latest().unwrap().unwrap().version, versions[1]);
    assert_eq!(leftovers(&demo.shop), [""; 0]);
}

#[test]
fn the_next_run_removes_leftovers() {
    let demo = Shop::new();
    let half = demo.shop.folder().join(".writing-20200101T000000Z-1");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("items.arrow"), "half").unwrap();
    std::fs::write(demo.shop.folder().join(".latest.json-1"), "{\"ver").unwrap();
    assert_eq!(leftovers(&demo.shop).len(), 2);
    assert_eq!(demo.shop.versions().unwrap().len(), 1, "what is half written is no version");
    done(&demo.train);
    assert_eq!(leftovers(&demo.shop), [""; 0]);
}
