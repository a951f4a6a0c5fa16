//! A connection to the kind of Redis that is configured.

use super::settings::{Login, RedisNode, RedisSettings, RedisTlsSettings, Topology};
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo,
    FromRedisValue, IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisResult,
    TlsCertificates, TlsMode,
};
use std::time::Duration;

/// Shared by all requests; commands do not wait for each other's answers.
pub enum RedisConnection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// How long it may take to get connected and logged in, each step.
const CONNECT: Duration = Duration::from_secs(1);

/// Commands under way before further ones wait.
const UNDER_WAY: usize = 4096;

impl RedisConnection {
    /// `patience`: how long an answer may take before the connection counts as broken.
    pub async fn open(settings: &RedisSettings, patience: Duration) -> RedisResult<Self> {
        match &settings.topology {
            Topology::Single(node) => {
                let info = node
                    .address(settings.tls.is_some())
                    .into_connection_info()?
                    .set_redis_settings(settings.redis());
                let info = info.set_tcp_settings(tcp());
                let client = match &settings.tls {
                    None => Client::open(info)?,
                    Some(tls) => Client::build_with_tls(info, tls.certificates())?,
                };
                Self::to_node(&client, patience).await
            }
            Topology::Sentinel { .. } => Self::to_node(&settings.master().await?, patience).await,
            Topology::Cluster(nodes) => {
                let nodes: Vec<ConnectionInfo> = nodes
                    .iter()
                    .map(|node| node.address(settings.tls.is_some()).into_connection_info())
                    .collect::<RedisResult<_>>()?;
                let mut builder = ClusterClientBuilder::new(nodes)
                    .connection_timeout(CONNECT)
                    .response_timeout(patience)
                    .overall_response_timeout(Some(patience))
                    .tcp_settings(tcp())
                    .retries(2);
                if let Some(Login { username, password }) = &settings.login {
                    builder = builder.password(password.expose());
                    if let Some(username) = username {
                        builder = builder.username(username);
                    }
                }
                if let Some(tls) = &settings.tls {
                    builder = builder.tls(TlsMode::Secure).certs(tls.certificates());
                }
                Ok(Self::Cluster(builder.build()?.get_async_connection().await?))
            }
        }
    }

    async fn to_node(client: &Client, patience: Duration) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(patience))
            .set_pipeline_buffer_size(UNDER_WAY);
        Ok(Self::Node(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    pub async fn command<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Node(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }

    /// Several commands on names that belong together.
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> RedisResult<T> {
        match self {
            Self::Node(connection) => pipeline.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => pipeline.query_async(&mut connection.clone()).await,
        }
    }
}

impl RedisSettings {
    fn redis(&self) -> RedisConnectionInfo {
        let info = RedisConnectionInfo::default().set_db(self.database);
        match &self.login {
            None => info,
            Some(Login { username: None, password }) => info.set_password(password.expose()),
            Some(Login { username: Some(username), password }) => {
                info.set_username(username).set_password(password.expose())
            }
        }
    }

    /// Asks the Sentinels which node is the master now.
    async fn master(&self) -> RedisResult<Client> {
        let Topology::Sentinel { sentinels, master, login } = &self.topology else {
            return Err((redis::ErrorKind::InvalidClientConfig, "no Sentinels").into());
        };
        let sentinels = sentinels.iter().map(|node| node.address(self.tls.is_some()));
        let mut builder =
            SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
                .set_client_to_redis_db(self.database)
                .set_client_to_redis_tcp_settings(tcp())
                .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(Login { username, password }) = &self.login {
            builder = builder.set_client_to_redis_password(password.expose());
            if let Some(username) = username {
                builder = builder.set_client_to_redis_username(username);
            }
        }
        if let Some(Login { username, password }) = login {
            builder = builder.set_client_to_sentinel_password(password.expose());
            if let Some(username) = username {
                builder = builder.set_client_to_sentinel_username(username);
            }
        }
        if let Some(tls) = &self.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(tls.certificates())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(tls.certificates());
        }
        builder.build()?.async_get_client().await
    }
}

impl RedisNode {
    fn address(&self, tls: bool) -> ConnectionAddr {
        match self {
            Self::Unix(path) => ConnectionAddr::Unix(path.clone()),
            Self::Tcp(host, port) if tls => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: false,
                tls_params: None,
            },
            Self::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
        }
    }
}

impl RedisTlsSettings {
    fn certificates(&self) -> TlsCertificates {
        TlsCertificates {
            root_cert: self.ca.clone(),
            client_tls: self.identity.as_ref().map(|(certificate, key)| ClientTlsConfig {
                client_cert: certificate.clone(),
                client_key: key.to_vec(),
            }),
        }
    }
}

fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
