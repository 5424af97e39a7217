//! The server's command line: run, check a configuration, make a key.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use qianmian_models::storage::versions::{DEFAULT_SHOP, ShopStore, check_name};
use qianmian_server::app::now;
use qianmian_server::auth::{Scope, new_key, new_secret};
use qianmian_server::config::Config;
use qianmian_server::log::{LogFormat, log_to_stderr};
use qianmian_server::serve::{Place, Server};
use qianmian_server::user_token::{MIN_SECRET_BYTES, TokenSecrets};
use tokio::signal::unix::{SignalKind, signal};

/// An answer allocates a few dozen short-lived buffers; this allocator keeps them on the thread that allocated them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Answers recommendation, bundle and audience queries from a hot-swapped model.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default without a command)
    Run(RunArgs),
    /// Check the configuration and the model store, and summarize them, without serving
    CheckConfig(RunArgs),
    /// Print a new API key, once, and its entry for the configuration
    NewKey(KeyArgs),
    /// Print a user token, as the shop's own server makes them for its storefronts
    Token(TokenArgs),
}

#[derive(Args)]
struct RunArgs {
    /// Configuration file (TOML): keys, shops, bounds
    #[arg(long, env = "QIANMIAN_CONFIG")]
    config: Option<PathBuf>,
    /// The model store, with a folder for each shop
    #[arg(long, env = "QIANMIAN_STORE", default_value = "models")]
    store: PathBuf,
    /// Address to listen on: a host name or address, and a port ([::1]:8080 for IPv6)
    #[arg(long, env = "QIANMIAN_LISTEN", default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    listen: String,
    /// Also answer /healthz, /readyz and /metrics here, on a thread of their own: at once, however busy the server is
    #[arg(long, env = "QIANMIAN_PROBES", value_name = "HOST:PORT")]
    probes: Option<String>,
    /// Threads that answer; by default one per processor
    #[arg(long, env = "QIANMIAN_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Allow listening on more than loopback without API keys
    #[arg(long, env = "QIANMIAN_ALLOW_OPEN")]
    allow_open: bool,
    /// Check the configuration and the model store, and summarize them, without serving
    #[arg(long)]
    check_config: bool,
    /// Form of the log lines on standard error
    #[arg(long, env = "QIANMIAN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// Level of the log, or a list of target=level
    #[arg(long, env = "QIANMIAN_LOG", default_value = "info")]
    log: String,
}

#[derive(Args)]
struct KeyArgs {
    /// The shop that the key is for
    #[arg(long, default_value = DEFAULT_SHOP)]
    shop: String,
    /// Scopes of the key
    #[arg(long, value_delimiter = ',', default_value = "read", value_parser = scope)]
    scopes: Vec<Scope>,
}

#[derive(Args)]
struct TokenArgs {
    /// The user that the storefront may speak for
    #[arg(long, value_name = "ID")]
    user: String,
    /// Seconds that the token is valid, at most a day
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// A file whose first line is the secret [default: the variable QIANMIAN_USER_TOKEN_SECRET]
    // A variable or a file instead of a flag: every user of the machine can read command lines.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

fn scope(name: &str) -> Result<Scope, String> {
    let known = Scope::ALL.map(Scope::name).join(", ");
    Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or(format!("one of {known}"))
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::NewKey(args)) => print_key(&args),
        Some(Command::Token(args)) => print_token(&args),
        Some(Command::CheckConfig(args)) => check(&args),
        Some(Command::Run(args)) if args.check_config => check(&args),
        Some(Command::Run(args)) => run(&args),
        None if cli.run.check_config => check(&cli.run),
        None => run(&cli.run),
    }
}

fn read(args: &RunArgs) -> anyhow::Result<Config> {
    // A variable instead of a flag: every user of the machine can read command lines.
    let urls = std::env::var("QIANMIAN_REDIS_URL").unwrap_or_default();
    let urls: Vec<String> = urls.split(',').filter(|url| !url.is_empty()).map(str::to_owned).collect();
    Ok(Config::read(args.config.as_deref(), &urls)?)
}

fn check(args: &RunArgs) -> anyhow::Result<()> {
    let config = read(args)?;
    let keys = match config.keys.len() {
        0 => "no API keys: nobody needs one".to_owned(),
        n => format!("{n} API keys"),
    };
    let shops = config.shop_names().join(", ");
    let live = match (&config.live.folder, &config.live.redis) {
        (None, _) => "live state: not kept".to_owned(),
        (Some(folder), None) => format!("live state: in {}", folder.display()),
        (Some(folder), Some(redis)) => {
            let cluster = if redis.cluster { " (a cluster)" } else { "" };
            format!("live state: in Redis{cluster}, spooled in {}", folder.display())
        }
    };
    let models: Vec<String> = config.shop_names().iter().map(|shop| models(&args.store, shop)).collect();
    let models = models.join("\n");
    writeln!(std::io::stdout(), "The configuration is valid.\nshops: {shops}\n{keys}\n{live}\n{models}")?;
    Ok(())
}

/// The models of a shop in the store, in one line. An empty store is no error: a server may start before the first
/// model is published.
fn models(store: &Path, shop: &str) -> String {
    let found = ShopStore::new(store, shop).and_then(|store| Ok((store.latest()?, store.versions()?)));
    let folder = store.join(shop);
    let folder = folder.display();
    match found {
        Err(error) => format!("models of {shop}: WARNING: {error}"),
        Ok((None, _)) if !store.join(shop).is_dir() => {
            format!(
                "models of {shop}: WARNING: {folder} does not exist; answers are 503 until a model is published"
            )
        }
        Ok((None, versions)) => format!(
            "models of {shop}: WARNING: none of the {} versions in {folder} is published; answers are 503",
            versions.len()
        ),
        Ok((Some(latest), versions)) if !versions.contains(&latest.version) => format!(
            "models of {shop}: WARNING: {folder} has no version {}, which latest.json names",
            latest.version
        ),
        Ok((Some(latest), versions)) => {
            format!(
                "models of {shop}: {} is published, of {} versions in {folder}",
                latest.version,
                versions.len()
            )
        }
    }
}

fn run(args: &RunArgs) -> anyhow::Result<()> {
    log_to_stderr(args.log_format, &args.log)?;
    let config = read(args)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        runtime.worker_threads(threads.into());
    }
    let runtime = runtime.enable_all().build().context("cannot start the threads")?;
    let place = Place {
        store: args.store.clone(),
        listen: args.listen.clone(),
        probes: args.probes.clone(),
        allow_open: args.allow_open,
    };
    runtime.block_on(serve(&config, &place))
}

async fn serve(config: &Config, place: &Place) -> anyhow::Result<()> {
    // Before listening, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let server = Server::start(config, place).await?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => server.poll_now().await,
        }
    }
    server.stop().await;
    Ok(())
}

fn print_key(args: &KeyArgs) -> anyhow::Result<()> {
    check_name("shop", &args.shop)?;
    let (key, hash) = new_key().context("the operating system gives no randomness")?;
    let is_storefront = args.scopes.contains(&Scope::Storefront);
    anyhow::ensure!(
        !is_storefront || args.scopes.len() == 1,
        "--scopes: everyone can read a storefront key, so it has no other scope"
    );
    let secret = match is_storefront {
        true => format!(
            "\n# By which the shop's server signs user tokens; not for the storefront:\nuser_token_secrets = [\"{}\"]",
            new_secret("qt_").context("the operating system gives no randomness")?
        ),
        false => String::new(),
    };
    let scopes: Vec<String> = args.scopes.iter().map(|scope| format!("\"{}\"", scope.name())).collect();
    writeln!(
        std::io::stdout(),
        "# The key, for its holder; it is not shown again and cannot be recovered:\n{key}\n\n\
         # Its entry for the configuration:\n[[keys]]\nshop = \"{}\"\nscopes = [{}]\nblake3 = \"{hash}\"{secret}",
        args.shop,
        scopes.join(", ")
    )?;
    Ok(())
}

fn print_token(args: &TokenArgs) -> anyhow::Result<()> {
    let secret = match &args.secret_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
        None => std::env::var("QIANMIAN_USER_TOKEN_SECRET")
            .context("give the secret in QIANMIAN_USER_TOKEN_SECRET or in a file (--secret-file)")?,
    };
    anyhow::ensure!(secret.len() >= MIN_SECRET_BYTES, "the secret is shorter than {MIN_SECRET_BYTES} bytes");
    anyhow::ensure!((1..=256).contains(&args.user.len()), "--user: 1 to 256 bytes");
    let token = TokenSecrets::new([secret]).sign(&args.user, now(), Duration::from_secs(args.seconds.into()));
    writeln!(std::io::stdout(), "{}", token.unwrap_or_default())?;
    Ok(())
}
