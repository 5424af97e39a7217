//! A connection to one Redis server or to a Redis Cluster, and decoding of its answers.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion,
    RedisError, ScriptInvocation, Value,
};
use tokio::task::JoinSet;

use crate::error::StoreError;

/// Timeout for connecting, name resolution and authentication included.
const CONNECT: Duration = Duration::from_secs(1);
/// Timeout for an answer of a cluster, redirections included. Callers have shorter ones of their own.
const CLUSTER_ANSWER: Duration = Duration::from_secs(5);

/// The address of Redis.
pub(super) enum Endpoint {
    Server(Client),
    Cluster(Box<ClusterClient>),
}

/// A connection shared by many calls: commands are pipelined, and answered in order.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Checks the form of a URL without connecting. The error does not repeat the URL, which may hold a password.
///
/// # Errors
/// The allowed forms.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    connection_info(url).map(drop)
}

fn connection_info(url: &str) -> Result<ConnectionInfo, StoreError> {
    let wanted = "redis://[user:password@]host[:port][/db], without TLS, or unix:///path";
    let refused = || StoreError::Failed(format!("a Redis URL is {wanted}"));
    let info = url.into_connection_info().map_err(|_| refused())?;
    if !info.addr().is_supported() || matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
        return Err(refused());
    }
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)).set_redis_settings(settings))
}

impl Endpoint {
    /// One URL of a server, or some nodes of a cluster.
    pub(super) fn new(urls: &[String], cluster: bool) -> Result<Self, StoreError> {
        let infos: Vec<ConnectionInfo> =
            urls.iter().map(|url| connection_info(url)).collect::<Result<_, _>>()?;
        if cluster {
            let builder = ClusterClientBuilder::new(infos)
                .use_protocol(ProtocolVersion::RESP2)
                .tcp_settings(TcpSettings::default().set_nodelay(true))
                .connection_timeout(CONNECT)
                .response_timeout(CLUSTER_ANSWER)
                .retries(3)
                .min_retry_wait(5)
                .max_retry_wait(100);
            return Ok(Self::Cluster(Box::new(builder.build()?)));
        }
        match <[ConnectionInfo; 1]>::try_from(infos) {
            Ok([info]) => Ok(Self::Server(Client::open(info)?)),
            Err(_) => Err(StoreError::Failed("one server has one URL".to_owned())),
        }
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Server(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT))
                    .set_response_timeout(None);
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Connection::Server(within(CONNECT, connecting).await?))
            }
            // A cluster is also asked for its nodes, and each may be slow.
            Self::Cluster(client) => {
                Ok(Connection::Cluster(within(3 * CONNECT, client.get_async_connection()).await?))
            }
        }
    }
}

impl Connection {
    /// Sends one command.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Server(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }

    /// Runs a script; it is loaded if Redis does not know it.
    pub(super) async fn invoke(&self, script: &ScriptInvocation<'_>) -> Result<Value, RedisError> {
        match self {
            Self::Server(connection) => script.invoke_async(&mut connection.clone()).await,
            Self::Cluster(connection) => script.invoke_async(&mut connection.clone()).await,
        }
    }

    /// Sends groups of commands, each group about keys of one hash tag, in one round trip: as one pipeline, or on a
    /// cluster as one pipeline per group, all at once. Returns each group's answers, in order.
    pub(super) async fn ask_all(&self, groups: Vec<Vec<Cmd>>) -> Result<Vec<Vec<Value>>, RedisError> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Server(connection) => {
                let lengths: Vec<usize> = groups.iter().map(Vec::len).collect();
                let pipeline = pipeline(groups.into_iter().flatten());
                let answers: Vec<Value> = pipeline.query_async(&mut connection.clone()).await?;
                let mut answers = answers.into_iter();
                Ok(lengths.into_iter().map(|length| answers.by_ref().take(length).collect()).collect())
            }
            Self::Cluster(connection) => {
                let mut tasks = JoinSet::new();
                let mut all = vec![Vec::new(); groups.len()];
                for (n, group) in groups.into_iter().enumerate() {
                    let mut connection = connection.clone();
                    tasks.spawn(async move {
                        Ok::<_, RedisError>((n, pipeline(group).query_async(&mut connection).await?))
                    });
                }
                while let Some(done) = tasks.join_next().await {
                    let unfinished = |_| RedisError::from(std::io::Error::other("a task was cancelled"));
                    let (n, answers) = done.map_err(unfinished)??;
                    all[n] = answers;
                }
                Ok(all)
            }
        }
    }
}

fn pipeline(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

/// Awaits `asked` for at most `timeout`.
pub(super) async fn within<T, E: Into<StoreError>>(
    timeout: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(timeout, asked).await {
        Ok(answered) => answered.map_err(Into::into),
        Err(_) => Err(StoreError::TimedOut),
    }
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() { Self::TimedOut } else { Self::Failed(error.to_string()) }
    }
}

/// The elements of a list; nil has none.
pub(super) fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        Value::Nil => Some(Vec::new()),
        _ => None,
    }
}

/// The bytes of a string.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// A string of UTF-8.
pub(super) fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

/// A number, also if written as a string.
pub(super) fn number(value: Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        other => text(other)?.parse().ok(),
    }
}

/// The entries of a stream: the first part of each id, and the values of its fields without their names.
pub(super) fn entries(value: Value) -> Option<Vec<(u64, Vec<Value>)>> {
    let entry = |entry| {
        let [id, fields] = <[Value; 2]>::try_from(list(entry)?).ok()?;
        let (number, _) =
            text(id)?.split_once('-').and_then(|(ms, rest)| Some((ms.parse().ok()?, rest.len())))?;
        let values = list(fields)?.into_iter().skip(1).step_by(2).collect();
        Some((number, values))
    };
    list(value)?.into_iter().map(entry).collect()
}

/// The values of the fields of a stream's entries, without ids and names.
pub(super) fn entries_of(value: Value) -> Option<Vec<Vec<Value>>> {
    let entry = |entry| {
        let [_id, fields] = <[Value; 2]>::try_from(list(entry)?).ok()?;
        Some(list(fields)?.into_iter().skip(1).step_by(2).collect())
    };
    list(value)?.into_iter().map(entry).collect()
}
