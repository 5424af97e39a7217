//! Supervised background workers, which run beside requests.

pub mod supervisor;

use std::sync::Arc;
use std::time::Duration;

use qianmian_live::followers::Follower;

use crate::app::App;
use crate::config::{Config, duration};
use supervisor::Workers;

/// Interval at which histograms are folded.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Interval at which trends and recent buyers are renewed.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Interval at which expired events are deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Starts every worker of `app`; they end when the result is dropped. Needs a tokio runtime.
pub fn start(config: &Config, app: &Arc<App>) -> Workers {
    let mut workers = Workers::new(Arc::clone(&app.workers));
    let poll_every = duration(config.poll_seconds);
    for shop in &app.shops {
        let shop = Arc::clone(shop);
        workers.spawn("models", app.telemetry.worker_restarts("models"), move || {
            let shop = Arc::clone(&shop);
            async move {
                loop {
                    shop.models.poll().await;
                    tokio::time::sleep(poll_every).await;
                }
            }
        });
    }
    for shop in &app.shops {
        let Some(live) = shop.live_store().cloned() else { continue };
        let shop = Arc::clone(shop);
        let followed = Arc::clone(&live);
        workers.spawn("trends", app.telemetry.worker_restarts("trends"), move || {
            let live = Arc::clone(&followed);
            async move {
                let mut follower = Follower::default();
                live.forget_room_figures();
                loop {
                    live.follow(&mut follower).await;
                    tokio::time::sleep(FOLLOW_EVERY).await;
                }
            }
        });
        let (shop_of_scenes, scenes_live) = (Arc::clone(&shop), Arc::clone(&live));
        workers.spawn("scenes", app.telemetry.worker_restarts("scenes"), move || {
            let (shop, live) = (Arc::clone(&shop_of_scenes), Arc::clone(&scenes_live));
            async move { shop.scenes.follow(&live).await }
        });
        let (shop_of_halls, halls_live) = (Arc::clone(&shop), Arc::clone(&live));
        workers.spawn("halls", app.telemetry.worker_restarts("halls"), move || {
            let (shop, live) = (Arc::clone(&shop_of_halls), Arc::clone(&halls_live));
            async move { shop.halls.follow(&live).await }
        });
        let (shop_of_rooms, rooms_live) = (Arc::clone(&shop), Arc::clone(&live));
        workers.spawn("rooms", app.telemetry.worker_restarts("rooms"), move || {
            let (shop, live) = (Arc::clone(&shop_of_rooms), Arc::clone(&rooms_live));
            async move {
                tokio::join!(shop.rooms.follow(&live), shop.rooms.watch(&live, &shop.models));
            }
        });
        let swept = Arc::clone(&live);
        workers.spawn("sweep", app.telemetry.worker_restarts("sweep"), move || {
            let live = Arc::clone(&swept);
            async move {
                loop {
                    live.sweep().await;
                    tokio::time::sleep(SWEEP_EVERY).await;
                }
            }
        });
        workers.spawn("live_store", app.telemetry.worker_restarts("live_store"), move || {
            let (shop, live) = (Arc::clone(&shop), Arc::clone(&live));
            async move {
                live.tend(|ids| shop.models.item_news(ids), |ids| shop.models.consent_news(ids)).await;
            }
        });
    }
    let probed = Arc::clone(app);
    workers.spawn("queue", app.telemetry.worker_restarts("queue"), move || {
        let app = Arc::clone(&probed);
        async move { app.queue.probe().await }
    });
    let reaper = app.reaper.clone();
    workers.spawn("reaper", app.telemetry.worker_restarts("reaper"), move || {
        let reaper = reaper.clone();
        async move { reaper.run().await }
    });
    let metered = Arc::clone(app);
    workers.spawn("metrics", app.telemetry.worker_restarts("metrics"), move || {
        let app = Arc::clone(&metered);
        async move {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                app.telemetry.upkeep();
            }
        }
    });
    workers
}
