//! `POST /rpc`: who asks, what for, and the answer.

use std::{sync::Arc, time::Instant};

use annals_events::{CategoryQuery, Error, Namespace, StreamQuery};
use annals_record::Timestamp;
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderValue, Method as HttpMethod, StatusCode, header, request::Parts};

use super::{
    EventRoads,
    access::Caller,
    answer::{self, Answer},
    call::{self, Call, Method},
    fault::Fault,
    write::Write,
};
use crate::metrics;

/// Answers a call.
pub(crate) async fn rpc(State(roads): State<Arc<EventRoads>>, request: Request) -> Response {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let mut method = None;
    let answer = answered(&roads, &head, body, &mut method).await;
    let response = match answer {
        Ok(answer) => response(answer),
        Err(fault) => fault.into_response(),
    };
    let name = method.map_or(metrics::OTHER_METHODS, Method::name);
    metrics::called(name, response.status(), started.elapsed());
    response
}

fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.into_body()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::SERVER, super::SERVER);
    response
}

async fn answered(
    roads: &EventRoads,
    head: &Parts,
    body: Body,
    method: &mut Option<Method>,
) -> Result<Answer, Fault> {
    let caller = roads.access.admit(&head.uri, &head.headers).await?;
    if head.method != HttpMethod::POST {
        return Err(Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "INVALID_REQUEST",
            "Only POST method allowed",
        ));
    }
    let _permit = roads.permit().await?;
    let message = roads.receive(&head.headers, body).await?;
    let reading = roads
        .roads
        .gate
        .decode(message, |body| Ok(call::read(&body)))
        .await?;
    *method = reading.method;
    let call = reading.call?;
    caller.may(&call)?;
    if let Call::StreamWrite(write) = call {
        // Longer than the sequencer tries, so that it is the one to say what became of the write.
        let written = written(caller.namespace()?, write);
        let answer = tokio::time::timeout(roads.write_timeout, written).await;
        return answer.unwrap_or_else(|_| Err(Fault::outcome_unknown()));
    }
    let within = roads.query_timeout;
    // In a place of its own, so that a write does not carry what every other call needs.
    let answer = Box::pin(carry_out(roads, &caller, call));
    let answer = tokio::time::timeout(within, answer).await;
    answer.unwrap_or_else(|_| Err(Fault::late(within, "QUERY_TIMEOUT")))
}

async fn carry_out(roads: &EventRoads, caller: &Caller, call: Call) -> Result<Answer, Fault> {
    let events = &roads.access.events;
    Ok(match call {
        Call::SysVersion => answer::text(env!("CARGO_PKG_VERSION")),
        Call::SysHealth => {
            let health = events.store().health().await.map_err(Error::Store)?;
            answer::health(roads.backend(), health.open)
        }
        Call::StreamWrite(write) => written(caller.namespace()?, write).await?,
        Call::StreamGet(query) => {
            let messages = stream(caller.namespace()?, query).await?;
            answer::of_stream(&messages)
        }
        Call::StreamLast(stream, kind) => {
            let namespace = caller.namespace()?;
            let message = namespace.last_message(&stream, kind.as_deref()).await?;
            answer::last(message.as_ref())
        }
        Call::StreamVersion(stream) => {
            answer::version(caller.namespace()?.stream_version(&stream).await?)
        }
        Call::CategoryGet(query) => {
            let messages = category(caller.namespace()?, query).await?;
            answer::of_category(&messages)
        }
        Call::NsCreate(new) => {
            let (namespace, token) = events.create_namespace(new).await?;
            answer::created(&namespace, &token)
        }
        Call::NsDelete(id) => {
            let messages = events.delete_namespace(&id).await?;
            answer::deleted(&id, Timestamp::now(), messages)
        }
        Call::NsList => answer::namespaces(&events.namespaces().await?),
        Call::NsInfo(id) => answer::info(&events.namespace(&id).await?.info().await?),
        Call::NsStreams(list) => answer::streams(&caller.namespace()?.streams(list).await?),
        Call::NsCategories => answer::categories(&caller.namespace()?.categories().await?),
    })
}

async fn written(namespace: &Namespace, write: Write) -> Result<Answer, Fault> {
    let places = namespace.write_messages(vec![write.append]).await?;
    if write.many {
        return Ok(answer::places(&places));
    }
    let place = places.first().ok_or(Error::Closed)?;
    Ok(answer::place(*place))
}

/// No message at all is no question to the database.
async fn stream(
    namespace: &Namespace,
    query: StreamQuery,
) -> Result<Vec<annals_events::Message>, Fault> {
    match query.limit {
        Some(0) => Ok(Vec::new()),
        _ => Ok(namespace.stream(query).await?),
    }
}

async fn category(
    namespace: &Namespace,
    query: CategoryQuery,
) -> Result<Vec<annals_events::Message>, Fault> {
    match query.limit {
        Some(0) => Ok(Vec::new()),
        _ => Ok(namespace.category(query).await?),
    }
}
