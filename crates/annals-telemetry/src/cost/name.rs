//! Which price a call's names of provider and model mean.
//!
//! A model's name is looked for as it came, then by its last part (`models/gemini-2.0-flash`, `openai/gpt-4o`, an ARN), then without
//! what Bedrock puts before it (`us.anthropic.claude-…`). First as a whole, name or alias; then without its end, where that
//! is a date, a revision or the like: `gpt-4o-2024-08-06` is a `gpt-4o`, `gpt-4o-mini` is not, and what a `gpt-4o-nova`
//! would cost nobody knows.

use std::{collections::HashMap, sync::Arc};

use super::{Price, list::Written};

/// Where a Bedrock inference profile is.
const REGIONS: [&str; 10] = [
    "us", "eu", "apac", "us-gov", "global", "jp", "au", "ca", "sa", "uk",
];

/// Whose model it is, as Bedrock writes it.
const MAKERS: [&str; 9] = [
    "anthropic",
    "amazon",
    "meta",
    "mistral",
    "cohere",
    "deepseek",
    "openai",
    "qwen",
    "ai21",
];

/// Names, and what they mean.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Names that stand for no provider.
    none: Vec<String>,
    /// Names and aliases of providers.
    by_name: HashMap<String, usize>,
    providers: Vec<Provider>,
    prices: Vec<Arc<Price>>,
}

/// What is known of a provider.
#[derive(Debug)]
struct Provider {
    /// Whose models it has as well.
    also: Vec<String>,
    /// It is not asked for calls that name no provider.
    only_named: bool,
    /// For each list, those that win first: prices of models by names and aliases.
    lists: Vec<HashMap<String, Vec<Arc<Price>>>>,
}

impl Names {
    /// Of lists, those that win first.
    pub(super) fn of(lists: &[Written]) -> Self {
        let mut names = Self::default();
        // What the shipped list says of a provider stays, and a file adds to it.
        for list in lists.iter().rev() {
            names.none.extend(list.no_provider.iter().cloned());
            for written in &list.providers {
                let index = names.provider(&written.name, lists.len());
                for alias in &written.aliases {
                    names.by_name.insert(alias.clone(), index);
                }
                if let Some(provider) = names.providers.get_mut(index) {
                    provider.also.extend(written.also.iter().cloned());
                    provider.only_named |= written.only_named;
                }
            }
        }
        for (place, list) in lists.iter().enumerate() {
            let prices: Vec<Arc<Price>> = list.prices.iter().cloned().map(Arc::new).collect();
            // Those of one model are neighbours.
            for prices in prices.chunk_by(|a, b| (&a.provider, &a.model) == (&b.provider, &b.model))
            {
                let Some(first) = prices.first() else {
                    continue;
                };
                let index = names.provider(&first.provider, lists.len());
                let models = names
                    .providers
                    .get_mut(index)
                    .and_then(|provider| provider.lists.get_mut(place));
                let Some(models) = models else { continue };
                // An alias of one of a model's prices is one of the model.
                let aliases = prices.iter().flat_map(|price| &price.aliases);
                for name in aliases.chain([&first.model]) {
                    models.insert(name.clone(), prices.to_vec());
                }
            }
            names.prices.extend(prices);
        }
        names
    }

    /// The provider of a name, which is made if it is not there.
    fn provider(&mut self, name: &str, lists: usize) -> usize {
        let next = self.providers.len();
        let index = *self.by_name.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.providers.push(Provider {
                also: Vec::new(),
                only_named: false,
                lists: vec![HashMap::new(); lists],
            });
        }
        index
    }

    /// Every price.
    pub(super) fn prices(&self) -> Vec<Arc<Price>> {
        let mut prices = self.prices.clone();
        prices.sort_by(|a, b| {
            (
                &a.provider,
                &a.model,
                !a.id.starts_with("file:"),
                a.valid_from,
            )
                .cmp(&(
                    &b.provider,
                    &b.model,
                    !b.id.starts_with("file:"),
                    b.valid_from,
                ))
        });
        prices
    }

    /// The prices of a model for all times, those that win first; none for a name that means no model.
    pub(super) fn find(&self, provider: &str, model: &str) -> Vec<Arc<Price>> {
        let provider = provider.trim().to_ascii_lowercase();
        let model = model.trim().to_ascii_lowercase();
        let forms = forms(&model);
        let named = if self.none.contains(&provider) || provider.is_empty() {
            None
        } else {
            Some(self.named(&provider))
        };
        // Where a gateway is the provider, a model's name may begin with whose it is.
        let asked = match (named, model.split_once('/')) {
            (Some(Some(index)), _) => Some(index),
            (_, Some((maker, _))) => self.named(maker),
            _ => None,
        };
        if let Some(index) = asked {
            return self.of_provider(index, &forms);
        }
        if named.is_some() {
            // Whoever that is, its prices are not these.
            return Vec::new();
        }
        let open = self
            .providers
            .iter()
            .enumerate()
            .filter(|(_, provider)| !provider.only_named);
        open.map(|(index, _)| self.of_list(index, &forms))
            .find(|prices| !prices.is_empty())
            .unwrap_or_default()
    }

    /// The provider of a name, or of its first part.
    fn named(&self, name: &str) -> Option<usize> {
        let first = name.split(['.', '/', ':']).next();
        [Some(name), first]
            .into_iter()
            .flatten()
            .find_map(|name| self.by_name.get(name).copied())
    }

    /// The prices of a provider, or of those whose models it has as well.
    fn of_provider(&self, index: usize, forms: &[&str]) -> Vec<Arc<Price>> {
        let also = self
            .providers
            .get(index)
            .map_or(&[][..], |provider| &provider.also);
        let also = also
            .iter()
            .filter_map(|name| self.by_name.get(name).copied());
        [index]
            .into_iter()
            .chain(also)
            .map(|index| self.of_list(index, forms))
            .find(|prices| !prices.is_empty())
            .unwrap_or_default()
    }

    fn of_list(&self, index: usize, forms: &[&str]) -> Vec<Arc<Price>> {
        let lists = self
            .providers
            .get(index)
            .map_or(&[][..], |provider| &provider.lists);
        let found = lists.iter().filter_map(|models| {
            let whole = forms.iter().find_map(|form| models.get(*form));
            whole.or_else(|| {
                forms
                    .iter()
                    .find_map(|form| shorter(form).find_map(|form| models.get(form)))
            })
        });
        found.flatten().map(Arc::clone).collect()
    }
}

/// The forms of a name that are looked for, in this order.
fn forms(model: &str) -> Vec<&str> {
    let mut last = model.rsplit('/').next().unwrap_or(model);
    let mut forms = vec![model, last];
    // What was fine-tuned: ft:MODEL:ORGANISATION:NAME:ID.
    if let Some(rest) = last.strip_prefix("ft:") {
        let end = rest.find(':').map_or(last.len(), |at| at + "ft:".len());
        forms.extend(last.get(..end));
    }
    for known in [&REGIONS[..], &MAKERS[..]] {
        if let Some((head, rest)) = last.split_once('.')
            && known.contains(&head)
        {
            last = rest;
        }
    }
    forms.push(last);
    forms
}

/// A name without its end, where that says which version it is; the longest first.
fn shorter(name: &str) -> impl Iterator<Item = &str> {
    let places = name.rmatch_indices(['-', '@', ':']);
    places.filter_map(|(at, _)| {
        let (short, end) = name.split_at_checked(at)?;
        is_version(end).then_some(short)
    })
}

/// Whether the end of a name says which version of a model it is: `-2024-08-06`, `-20250514`, `@20250514`, `-0613`, `-001`,
/// `-latest`, `-preview-05-06`, `-08-2024`, `-v1:0`. A number of one digit or two is another model's: `claude-opus-4-1`.
fn is_version(end: &str) -> bool {
    let parts: Vec<&str> = end.split(['-', '@', ':']).skip(1).collect();
    let digits = |part: &str, count| part.len() == count && is_number(part);
    let is_revision = |part: &str| part.strip_prefix('v').is_some_and(is_number);
    let mut rest = &parts[..];
    loop {
        rest = match rest {
            [] => return !end.is_empty(),
            ["latest" | "preview" | "exp" | "experimental", rest @ ..] => rest,
            [year, month, day, rest @ ..]
                if digits(year, 4) && digits(month, 2) && digits(day, 2) =>
            {
                rest
            }
            [month, other, rest @ ..]
                if digits(month, 2) && (digits(other, 2) || digits(other, 4)) =>
            {
                rest
            }
            [revision, minor, rest @ ..] if is_revision(revision) && digits(minor, 1) => rest,
            [revision, rest @ ..] if is_revision(revision) => rest,
            [number, rest @ ..] if number.len() > 2 && is_number(number) => rest,
            [minor] if parts.len() == 1 && end.starts_with(':') => return digits(minor, 1),
            _ => return false,
        };
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
