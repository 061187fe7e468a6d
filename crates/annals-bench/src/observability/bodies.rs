//! Prompts and completions, as long as people and retrieval make them.

use fastrand::Rng;

/// Different ones; each is used by many spans.
const BODIES: usize = 256;

/// Characters of the shortest and the longest; short ones are as many as long ones on a scale of logarithms.
const SHORTEST: f64 = 4_000.0;
const LONGEST: f64 = 50_000.0;

/// Words that there are. Text of them becomes a third as large when it is compressed, as prompts do that repeat themselves.
const WORDS: usize = 600;

const SYLLABLES: [&str; 24] = [
    "an", "be", "con", "der", "en", "for", "ge", "hi", "in", "ka", "li", "men", "nor", "ord",
    "per", "qui", "re", "sta", "ti", "un", "ver", "wor", "xe", "you",
];

/// Texts as JSON, quotes included.
#[derive(Debug)]
pub(super) struct Bodies(Vec<String>);

impl Bodies {
    pub(super) fn new() -> Self {
        let mut rng = Rng::with_seed(0x00b0_d1e5);
        let words: Vec<String> = (0..WORDS).map(|_| word(&mut rng)).collect();
        let system = prose(&words, 1_500, &mut rng);
        let bodies = (0..BODIES).map(|_| {
            let length = SHORTEST * (LONGEST / SHORTEST).powf(rng.f64());
            let content = prose(&words, length as usize - system.len(), &mut rng);
            let messages = serde_json::json!([
                {"role": "system", "parts": [{"type": "text", "content": system}]},
                {"role": "user", "parts": [{"type": "text", "content": content}]},
            ]);
            // An attribute's value is text, which holds JSON.
            serde_json::Value::String(messages.to_string()).to_string()
        });
        Self(bodies.collect())
    }

    pub(super) fn any(&self, rng: &mut Rng) -> &str {
        &self.0[rng.usize(..self.0.len())]
    }
}

fn word(rng: &mut Rng) -> String {
    (0..rng.usize(1..4))
        .map(|_| SYLLABLES[rng.usize(..SYLLABLES.len())])
        .collect()
}

/// Sentences of about so many characters, in which some words are frequent.
fn prose(words: &[String], length: usize, rng: &mut Rng) -> String {
    let mut text = String::with_capacity(length + 32);
    while text.len() < length {
        let place = rng.f64().powi(3) * words.len() as f64;
        text.push_str(&words[place as usize]);
        text.push_str(if rng.u8(..12) == 0 { ". " } else { " " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_long_as_they_are_said_to_be() {
        let lengths: Vec<usize> = Bodies::new().0.iter().map(String::len).collect();
        assert!(
            lengths
                .iter()
                .all(|length| (4_000..52_000).contains(length)),
            "{lengths:?}"
        );
        let mean = lengths.iter().sum::<usize>() / lengths.len();
        assert!((15_000..22_000).contains(&mean), "{mean}");
    }
}
