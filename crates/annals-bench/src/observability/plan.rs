//! Which traces there are, by number: when each began, of whom, by which model, how large.

use std::time::Duration;

use annals_record::Timestamp;
use fastrand::Rng;

/// Days over which traces are spread evenly.
pub(super) const DAYS: u64 = 30;

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Users and conversations, of which each is one user's.
pub(super) const USERS: u64 = 10_000;
pub(super) const CONVERSATIONS: u64 = 100_000;

/// One trace of so many asks the rare model.
const RARE: u64 = 10_000;

/// One trace of so many fails.
const FAILS: u64 = 50;

/// The longest trace is over after this.
const LONGEST: Duration = Duration::from_secs(600);

/// How many traces fewer than a conversation has lie between its first and the last.
const TOGETHER: u64 = 2_000;

pub(super) const SERVICES: [&str; 12] = [
    "agent-gateway",
    "support-agent",
    "research-agent",
    "order-tools",
    "retrieval",
    "billing-agent",
    "code-review",
    "summariser",
    "translation",
    "moderation",
    "onboarding",
    "night-batch",
];

/// Provider, what is asked for, what answers: those that are asked most come first.
pub(super) const MODELS: [(&str, &str, &str); 20] = [
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ("anthropic", "claude-sonnet-4-0", "claude-sonnet-4-20250514"),
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4.1", "gpt-4.1-2025-04-14"),
    ("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash"),
    (
        "anthropic",
        "claude-3-5-haiku-latest",
        "claude-3-5-haiku-20241022",
    ),
    ("openai", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"),
    ("gcp.gemini", "gemini-2.5-pro", "gemini-2.5-pro"),
    ("mistral_ai", "mistral-large-latest", "mistral-large-2411"),
    ("openai", "o4-mini", "o4-mini-2025-04-16"),
    ("anthropic", "claude-opus-4-0", "claude-opus-4-20250514"),
    ("deepseek", "deepseek-chat", "deepseek-chat"),
    ("openai", "gpt-4.1-nano", "gpt-4.1-nano-2025-04-14"),
    (
        "anthropic",
        "claude-3-7-sonnet-latest",
        "claude-3-7-sonnet-20250219",
    ),
    ("mistral_ai", "mistral-small-latest", "mistral-small-2503"),
    ("gcp.gemini", "gemini-2.0-flash", "gemini-2.0-flash-001"),
    ("openai", "o3", "o3-2025-04-16"),
    ("groq", "llama-3.3-70b-versatile", "llama-3.3-70b-versatile"),
    ("cohere", "command-r-plus", "command-r-plus-08-2024"),
    ("self_hosted", "house-model", "house-model-v7"),
];

/// The model, and the provider, that almost nobody asks.
pub(super) const RARE_MODEL: (&str, &str, &str) =
    ("perplexity", "sonar-deep-research", "sonar-deep-research");

/// The model that everybody asked for the first third of the time, where they ask another now.
pub(super) const RETIRED_MODEL: (&str, &str, &str) =
    ("openai", "gpt-4-turbo", "gpt-4-turbo-2024-04-09");

/// The place among models of that which came instead.
const SUCCESSOR: usize = 3;

/// Of so many traces of a conversation one is another agent's work, by another model.
const OTHER: u8 = 10;

/// Which traces to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Spans, about.
    pub(super) spans: usize,
    pub(super) traces: u64,
    /// When the last of them is over: windows that nobody has said end now.
    pub(super) end: Timestamp,
    /// Over so many days.
    pub(super) days: u64,
}

/// What a trace is about.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) trace_id: String,
    pub(super) began: Timestamp,
    /// Spans.
    pub(super) size: usize,
    /// The agent's, by number.
    pub(super) service: usize,
    pub(super) user: String,
    pub(super) conversation: String,
    pub(super) model: (&'static str, &'static str, &'static str),
    pub(super) fails: bool,
    /// Where its remaining randomness comes from.
    pub(super) seed: u64,
}

/// The id of a trace by its number.
pub(super) fn trace_id(number: u64) -> String {
    format!("{:032x}", Rng::with_seed(number).u128(..))
}

pub(super) fn conversation_id(number: u64) -> String {
    format!("conv_{:016x}", Rng::with_seed(number ^ 1 << 40).u64(..))
}

/// Some users have much more to say than others.
fn user_of(conversation: u64) -> String {
    let place = Rng::with_seed(conversation ^ 1 << 41).f64().powi(2);
    user_id((place * USERS as f64) as u64)
}

pub(super) fn user_id(number: u64) -> String {
    format!("user_{number:06}")
}

impl Plan {
    pub(super) fn begin(&self) -> Timestamp {
        self.end - DAY * self.days as u32
    }

    /// When a trace begins.
    pub(super) fn at(&self, number: u64) -> Timestamp {
        let share = number as f64 / self.traces as f64;
        let length = DAY * self.days as u32 - LONGEST;
        self.begin() + length.mul_f64(share)
    }

    /// One trace of so many asks the rare model; in a small try there are some too.
    pub(super) fn rare_every(&self) -> u64 {
        RARE.min((self.traces / 20).max(1))
    }

    /// Conversations that there are: as many traces each, whatever the size of it all.
    pub(super) fn conversations(&self) -> u64 {
        CONVERSATIONS.min((self.traces / 10).max(1))
    }

    pub(super) fn conversation_of(&self, number: u64) -> u64 {
        let together = TOGETHER.min(self.traces / 4);
        let near = number + Rng::with_seed(number ^ 1 << 42).u64(..=together);
        near.min(self.traces - 1) * self.conversations() / self.traces
    }

    pub(super) fn about(&self, number: u64) -> About {
        let mut rng = Rng::with_seed(!number);
        let conversation = self.conversation_of(number);
        // A conversation is with one agent, by one model, but for a few of its traces.
        let mut usual = Rng::with_seed(conversation ^ 1 << 43);
        let source = if rng.u8(..OTHER) == 0 {
            &mut rng
        } else {
            &mut usual
        };
        let service = skewed(source, SERVICES.len());
        let model = match skewed(source, MODELS.len()) {
            SUCCESSOR if number < self.traces / 3 => RETIRED_MODEL,
            place => MODELS[place],
        };
        let is_rare = number % self.rare_every() == self.rare_every() / 2;
        About {
            trace_id: trace_id(number),
            began: self.at(number),
            size: self.size(&mut rng),
            service,
            user: user_of(conversation),
            conversation: conversation_id(conversation),
            model: if is_rare { RARE_MODEL } else { model },
            fails: rng.u64(..FAILS) == 0,
            seed: rng.u64(..),
        }
    }

    /// Of ten spans in the middle; many traces are one call, some are agents that work for minutes.
    fn size(&self, rng: &mut Rng) -> usize {
        let size = match rng.usize(..1_000) {
            0..300 => 1,
            300..650 => rng.usize(2..=8),
            650..900 => rng.usize(9..=17),
            900..995 => rng.usize(20..=58),
            _ => 200,
        };
        let wanted = self.spans as f64 / self.traces as f64 / 10.0;
        ((size as f64 * wanted).round() as usize).max(1)
    }
}

/// A place among some of which the first is the most likely: the second half as much, the third a third.
fn skewed(rng: &mut Rng, of: usize) -> usize {
    let all: f64 = (1..=of).map(|place| 1.0 / place as f64).sum();
    let mut left = rng.f64() * all;
    for place in 0..of {
        left -= 1.0 / (place + 1) as f64;
        if left < 0.0 {
            return place;
        }
    }
    0
}
