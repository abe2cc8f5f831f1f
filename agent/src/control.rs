//! The ends at which this host asks the running agent: a local socket for its own commands, and a port for metrics.
//! Each connection asks one thing, within bounded time and bytes.
//!
//! ```text
//!  > status                     < one line of JSON
//!  > rollback [VERSION]         < {"ok":VERSION} or {"error":"..."}
//! ```

use std::{
    convert::Infallible,
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, body::Bytes, header, http::uri::Authority, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use oddline_core::{terminal, wire::ModelState};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    figures::AgentFigures, metrics, model_manager::ModelRequest, publish::ports::LinkFigures, worker::StatusHandle,
};

/// A question and its answer take no longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a question.
const QUESTION_BYTES_MAX: u64 = 1_024;
const CONNECTIONS_MAX: usize = 16;
/// Bytes of an answer: hundreds of sources.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What is asked of, and what answers.
#[derive(Clone)]
pub(crate) struct ControlServer {
    pub who: AgentInfo,
    /// What the reading thread shows.
    pub board: StatusHandle,
    /// What the delivery shows, where there is one.
    pub link: Option<watch::Receiver<LinkFigures>>,
    pub models: mpsc::Sender<ModelRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentInfo {
    /// Its program's version.
    pub version: String,
    pub name: String,
    pub fleet: String,
    pub destination: String,
}

/// The answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusAnswer {
    #[serde(flatten)]
    pub who: AgentInfo,
    pub reading: AgentFigures,
    /// Whether the connection stands, where one is configured.
    pub connected: Option<bool>,
    /// The highest sequence that the collector has.
    pub acked: Option<u64>,
    pub models: Option<ModelState>,
}

/// The answer to `rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RollbackAnswer {
    /// The version that judges now.
    Ok(u64),
    Error(String),
}

/// Opens the local socket. What a killed agent left there is replaced; anything else is not.
///
/// # Errors
/// When something else has that name, or the folder cannot be written.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else than a socket is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    // Its user and group may ask.
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Answers on the local socket for ever.
pub(crate) async fn serve(listener: UnixListener, desk: ControlServer) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let desk = desk.clone();
        tokio::spawn(async move {
            // Whoever asks and goes away, or takes too long, gets no answer.
            let _: Result<_, _> = timeout(PATIENCE, desk.answer(stream)).await;
            drop(place);
        });
    }
}

/// Serves metrics over HTTP for ever; `hosts` are names under which it may be asked, besides addresses.
pub(crate) async fn serve_metrics(listener: TcpListener, hosts: Vec<String>, desk: ControlServer) {
    let hosts: Arc<[String]> = hosts.into();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (desk, hosts) = (desk.clone(), Arc::clone(&hosts));
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = desk.page(&request, &hosts);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            let _: Result<_, _> = timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), service)).await;
            drop(place);
        });
    }
}

/// Opens the port of the metrics.
pub(crate) async fn listen_metrics(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

impl ControlServer {
    async fn answer(&self, stream: UnixStream) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut question = String::new();
        BufReader::new(read.take(QUESTION_BYTES_MAX)).read_line(&mut question).await?;
        let mut words = question.split_whitespace();
        let text = match (words.next(), words.next()) {
            (Some("status"), None) => json(&self.status().await),
            (Some("rollback"), None) => json(&self.roll_back(None).await),
            (Some("rollback"), Some(version)) => match version.parse() {
                Ok(version) => json(&self.roll_back(Some(version)).await),
                Err(_) => json(&RollbackAnswer::Error(format!("{version:?} is no version"))),
            },
            _ => json(&RollbackAnswer::Error("status or rollback is expected".to_owned())),
        };
        write.write_all(text.as_bytes()).await?;
        write.shutdown().await
    }

    async fn status(&self) -> StatusAnswer {
        let (answer, answered) = oneshot::channel();
        let models = match self.models.send(ModelRequest::Show(answer)).await {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        let link = self.link.as_ref().map(|link| *link.borrow());
        StatusAnswer {
            who: self.who.clone(),
            reading: self.board.reading(),
            connected: link.map(|link| link.connected),
            acked: link.map(|link| link.acked),
            models,
        }
    }

    async fn roll_back(&self, version: Option<u64>) -> RollbackAnswer {
        let (answer, answered) = oneshot::channel();
        let asked = self.models.send(ModelRequest::Rollback(version, answer)).await;
        match (asked, answered.await) {
            (Ok(()), Ok(Ok(version))) => RollbackAnswer::Ok(version),
            (Ok(()), Ok(Err(why))) => RollbackAnswer::Error(why),
            (Err(_), _) | (_, Err(_)) => RollbackAnswer::Error("the agent is stopping".to_owned()),
        }
    }

    fn page(&self, request: &Request<hyper::body::Incoming>, hosts: &[String]) -> Response<Full<Bytes>> {
        let (status, text) = match (request.method(), request.uri().path()) {
            _ if !is_asked(request.headers(), hosts) => {
                let told = "the Host header names another server than this one: ask an address, or add the name to `hosts` \
                            in [metrics]\n";
                (StatusCode::MISDIRECTED_REQUEST, told.to_owned())
            }
            (&Method::GET, "/metrics") => {
                let link = self.link.as_ref().map(|link| *link.borrow());
                (StatusCode::OK, metrics::text(&self.board.reading(), link.as_ref()))
            }
            (&Method::GET, _) => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
            _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n".to_owned()),
        };
        let response = Response::builder().status(status);
        let response = response.header(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
        response.body(Full::new(Bytes::from(text))).expect("its status and headers are valid")
    }
}

/// Whether a request was meant for this server. A page that a browser has open can reach it under a name of the page's own
/// (DNS rebinding), and then the Host is that name: never an address, nor a name without a domain.
fn is_asked(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut given = headers.get_all(header::HOST).iter();
    let (first, second) = (given.next(), given.next());
    let host = first.and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    host.filter(|host| second.is_none() && !host.as_str().contains('@')).is_some_and(|host| {
        let name = host.host();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let is_local = !name.is_empty() && !name.contains('.');
        is_local || bare.parse::<IpAddr>().is_ok() || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// Asks the running agent, from another process on this host.
pub(crate) async fn ask(path: &Path, question: &str) -> io::Result<String> {
    let ask = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(format!("{question}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
        Ok(answer)
    };
    timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("text and numbers can always be written");
    format!("{}\n", terminal::json(&text))
}
