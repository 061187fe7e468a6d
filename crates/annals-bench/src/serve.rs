//! The program `annals serve` from outside: what its clients see, and what its machine pays.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`load`] | OTLP/gRPC as fast as it is answered, against COPY of the same rows; memory under it |
//! | [`latency`] | one small request at a time, against one bare commit |
//! | [`start`] | from nothing to the first answer; memory of a server without traffic |
//! | [`requests`] | spans as bytes of requests, made before the clock |
//! | [`client`] | the clients, which use as little processor time as they can |
//! | [`program`] | the program as a child process, and what the system says of it |
//!
//! The library's own benches call it in their process. Here everything between a client's socket and
//! the commit is paid: HTTP/2, protobuf, mapping, admission, the way through the writer.

mod client;
mod latency;
mod load;
pub(crate) mod program;
mod requests;
mod start;

use crate::{Options, report::Report};

pub(crate) async fn run(options: &Options, report: &mut Report) {
    load::run(options, report).await;
    latency::run(options, report).await;
    start::run(options, report);
}
