//! Inference traffic as a small platform makes it, for a first look at Annals.
//!
//! Three models with the rates, latencies and batches of InferTrace's demo (source: its phase 10), the
//! faults that its detectors look for, and a deploy that makes one model slower. Nothing here knows the
//! time or a database: who asks says which stretch of time, and gets spans.

mod dice;
mod request;
#[cfg(test)]
mod tests;

use annals_record::Timestamp;
use annals_telemetry::Span;

use dice::Dice;

/// Nanoseconds between two requests of one model, at least: a million requests a second are enough
/// for any demo, and no rate makes a list without end.
const SHORTEST_INTERVAL: i64 = 1_000;

/// A model and what is asked of it.
#[derive(Debug)]
struct Model {
    name: &'static str,
    /// Its version; of the model that is deployed anew, the one before.
    version: &'static str,
    /// Who serves it.
    provider: &'static str,
    framework: &'static str,
    /// The gateway's operation.
    route: &'static str,
    /// The model's operation, in the words of `gen_ai.operation.name`.
    operation: &'static str,
    /// How long a call takes, in milliseconds.
    millis: f64,
    /// Requests in its batch.
    batch: i32,
    /// Requests per second.
    rate: f64,
    /// Tokens read, from and to.
    input_tokens: (u64, u64),
    /// Milliseconds for each token that is written; absent where none is.
    millis_per_token: Option<f64>,
    /// Of so many calls, one is ten times slower.
    slow_every: Option<i64>,
    /// Of so many batches, one is nearly empty.
    poor_batch_every: Option<i64>,
    /// Whether it is the one that is deployed anew.
    deployed: bool,
}

const MODELS: [Model; 3] = [
    Model {
        name: "gpt-4",
        version: "2024-08",
        provider: "openai",
        framework: "pytorch",
        route: "POST /v1/chat/completions",
        operation: "chat",
        millis: 80.0,
        batch: 32,
        rate: 50.0,
        input_tokens: (200, 1_800),
        millis_per_token: Some(1.2),
        slow_every: Some(100),
        poor_batch_every: None,
        deployed: false,
    },
    Model {
        name: "llama-70b",
        version: "2024-07",
        provider: "vllm",
        framework: "pytorch",
        route: "POST /v1/chat/completions",
        operation: "chat",
        millis: 200.0,
        batch: 8,
        rate: 20.0,
        input_tokens: (100, 3_000),
        millis_per_token: Some(2.0),
        slow_every: None,
        poor_batch_every: None,
        deployed: true,
    },
    Model {
        name: "clip-vit",
        version: "l14-336",
        provider: "triton",
        framework: "onnx",
        route: "POST /v1/embeddings",
        operation: "embeddings",
        millis: 15.0,
        batch: 64,
        rate: 200.0,
        input_tokens: (50, 577),
        millis_per_token: None,
        slow_every: None,
        poor_batch_every: Some(40),
        deployed: false,
    },
];

/// The version of `llama-70b` after the deploy.
const DEPLOYED_VERSION: &str = "2024-11";

/// How much slower it is than the one before.
const DEPLOYED_SLOWDOWN: f64 = 2.2;

/// Traffic of one demo; the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    seed: u64,
    /// From this instant on `llama-70b` is of version `2024-11` and 2.2 times slower. As long as
    /// nobody sets it, that never happens.
    pub(crate) deploy_at: Timestamp,
}

impl Traffic {
    /// Traffic without a deploy.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            deploy_at: Timestamp::MAX,
        }
    }

    /// The spans of all requests that start in [`from`, `to`), by the start of their request, each
    /// request's root before what is below it. `rate` multiplies the models' 270 requests per second;
    /// one is about 2.1 spans. Zero, below it, or no number at all gives nothing.
    ///
    /// A request depends on the seed, the rate and its own place in time, and on nothing that was asked
    /// before. So two stretches that meet give what one stretch over both gives, the same stretch
    /// gives the same spans, ids included, and a long one can be made in slices: half an hour at once
    /// would be a million spans. Requests go on after `to`, by a second at most.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp, rate: f64) -> Vec<Span> {
        let mut requests: Vec<(Timestamp, Vec<Span>)> = Vec::new();
        for (number, model) in (0_u64..).zip(&MODELS) {
            let Some(interval) = interval(model.rate * rate) else {
                return Vec::new();
            };
            let slots =
                from.unix_nanos().div_euclid(interval)..=to.unix_nanos().div_euclid(interval);
            for slot in slots {
                let mut dice = Dice::new(&[self.seed, number, slot.cast_unsigned()]);
                // One request for each slot, anywhere in it, so that rates hold and ticks do not show.
                let start = slot
                    .saturating_mul(interval)
                    .saturating_add(dice.below(interval.unsigned_abs()).cast_signed());
                let start = Timestamp::from_unix_nanos(start);
                if (from..to).contains(&start) {
                    let spans = self.request(model, slot, start, &mut dice);
                    requests.push((start, spans));
                }
            }
        }
        requests.sort_by_key(|(start, _)| *start);
        requests.into_iter().flat_map(|(_, spans)| spans).collect()
    }

    fn request(&self, model: &Model, slot: i64, start: Timestamp, dice: &mut Dice) -> Vec<Span> {
        let is_deployed = model.deployed && start >= self.deploy_at;
        let every = |count: Option<i64>| count.is_some_and(|count| slot.rem_euclid(count) == 0);
        let mut slowdown = 1.0;
        if is_deployed {
            slowdown *= DEPLOYED_SLOWDOWN;
        }
        if every(model.slow_every) {
            slowdown *= 10.0;
        }
        let call = request::Call {
            model,
            version: if is_deployed {
                DEPLOYED_VERSION
            } else {
                model.version
            },
            start,
            slowdown,
            // Between the slow calls, so that one fault does not hide behind the other.
            starved: slot.rem_euclid(50) == 25,
            poor_batch: every(model.poor_batch_every),
        };
        request::spans(&call, dice)
    }
}

/// Nanoseconds from one request to the next.
fn interval(rate: f64) -> Option<i64> {
    let nanos = (1e9 / rate).round();
    (rate > 0.0 && nanos.is_finite()).then(|| (nanos as i64).max(SHORTEST_INTERVAL))
}
