//! What calls of models cost: prices, and how they are applied.
//!
//! | Module | What lives there |
//! |---|---|
//! | `price` | one price: what it costs what, and when |
//! | `list` | the lists as they are written: TOML, read strictly |
//! | `name` | which price a call's names of provider and model mean |
//!
//! A price list is the one that this program was made with, and before it what a file says. Money is counted in whole
//! billionths of a US dollar: a call's cost is rounded once, to the next of them, and sums of costs are exact.
//!
//! What has no price has no cost, which is not the same as costing nothing: a name that is not listed is guessed at
//! only where what stands behind a listed name is a date, a revision or the like.

mod list;
mod name;
mod price;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use annals_record::Timestamp;

pub use list::PriceError;
pub use price::{Price, Rates, TokenCounts};

use crate::{Span, genai};
use list::Written;
use name::Names;

/// Billionths of a US dollar in one.
const NANOS: f64 = 1e9;

/// What one span may cost at most, in billionths: a million dollars. What is beyond is no cost of a call.
const MOST: f64 = 1e15;

/// What [`Span::cost_source`] says of a cost that the span's source has told.
pub const REPORTED: &str = "reported";

/// Names whose price is remembered at most: services call few models, and what names random ones must not fill memory.
const REMEMBERED: usize = 4_096;

/// Bytes of names that are remembered: longer ones are no model's.
const LONGEST_NAME: usize = 256;

/// A cost in billionths of a US dollar, in which sums are exact; `None` for what is no cost.
#[must_use]
pub fn nanodollars(dollars: f64) -> Option<i64> {
    let nanos = (dollars * NANOS).round();
    (0.0..=MOST).contains(&nanos).then_some(nanos as i64)
}

/// A cost in US dollars.
#[must_use]
pub fn dollars(nanodollars: i64) -> f64 {
    nanodollars as f64 / NANOS
}

static SHIPPED: LazyLock<PriceList> = LazyLock::new(|| {
    // A test reads it: a program with a list that cannot be read is not made.
    let written = Written::read(include_str!("cost/prices.toml"), "prices.toml");
    PriceList::of(Table::of(&[written.unwrap_or_default()]))
});

/// Prices of models, by time. Whoever shares it sees it [replaced](Self::replace_with).
#[derive(Debug)]
pub struct PriceList {
    table: RwLock<Arc<Table>>,
}

impl Default for PriceList {
    /// No prices at all.
    fn default() -> Self {
        Self::of(Table::of(&[]))
    }
}

impl Clone for PriceList {
    fn clone(&self) -> Self {
        Self {
            table: RwLock::new(self.table()),
        }
    }
}

/// What is looked up in.
#[derive(Debug)]
struct Table {
    names: Names,
    /// By the name of a provider, then of a model: what they mean.
    remembered: RwLock<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    models: HashMap<Box<str>, HashMap<Box<str>, Found>>,
    count: usize,
}

/// The prices of a model for all times: those of a file first.
type Found = Arc<[Arc<Price>]>;

impl Table {
    /// Of lists, those that win first.
    fn of(lists: &[Written]) -> Arc<Self> {
        Arc::new(Self {
            names: Names::of(lists),
            remembered: RwLock::default(),
        })
    }

    fn find(&self, provider: Option<&str>, model: &str, at: Timestamp) -> Option<Arc<Price>> {
        let provider = provider.unwrap_or("");
        let valid = |prices: &Found| {
            prices
                .iter()
                .find(|price| price.is_valid(at))
                .map(Arc::clone)
        };
        {
            let remembered = self
                .remembered
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(prices) = remembered
                .models
                .get(provider)
                .and_then(|models| models.get(model))
            {
                return valid(prices);
            }
        }
        let prices: Found = self.names.find(provider, model).into();
        let price = valid(&prices);
        if provider.len() <= LONGEST_NAME && model.len() <= LONGEST_NAME {
            let mut remembered = self
                .remembered
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if remembered.count >= REMEMBERED {
                *remembered = Remembered::default();
            }
            remembered.count += 1;
            remembered
                .models
                .entry(provider.into())
                .or_default()
                .insert(model.into(), prices);
        }
        price
    }
}

impl PriceList {
    fn of(table: Arc<Table>) -> Self {
        Self {
            table: RwLock::new(table),
        }
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The prices that this program was made with.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// The shipped prices, and those of a file, which go first.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no price list: the line, and what is wrong there.
    pub fn with_file(path: &Path) -> Result<Self, PriceError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| PriceError::Read {
            origin: origin.clone(),
            source,
        })?;
        Self::with_text(&text, &origin)
    }

    /// The shipped prices, and those of a text, which go first. `origin` is what errors call it.
    ///
    /// # Errors
    ///
    /// The text is no price list: the line, and what is wrong there.
    pub fn with_text(text: &str, origin: &str) -> Result<Self, PriceError> {
        let file = Written::read(text, origin)?.marked_as_file();
        let shipped = Written::read(include_str!("cost/prices.toml"), "prices.toml")?;
        Ok(Self::of(Table::of(&[file, shipped])))
    }

    /// Takes another list's prices from now on, for everybody who shares this one.
    pub fn replace_with(&self, other: &Self) {
        let table = other.table();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// The price of a model at a time. Without a provider the first is taken that has the model.
    #[must_use]
    pub fn find(&self, provider: Option<&str>, model: &str, at: Timestamp) -> Option<Arc<Price>> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .find(provider, model, at)
    }

    /// Every price: by provider, model and time, those of a file first.
    #[must_use]
    pub fn prices(&self) -> Vec<Arc<Price>> {
        self.table().names.prices()
    }

    /// What a call of a model cost, and by which price: that of the model that answered, or else of the one that was
    /// asked for. `None` for a span that is no call, or whose model has no price at its time, or that tells no tokens.
    #[must_use]
    pub fn cost_of(&self, span: &Span) -> Option<(i64, Arc<Price>)> {
        if !genai::is_model_call(span) {
            return None;
        }
        let tokens = TokenCounts::of(span)?;
        let answered = span
            .response_model
            .as_deref()
            .or(span.model_name.as_deref());
        let names = [answered, span.request_model.as_deref()];
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = names
            .into_iter()
            .flatten()
            .filter_map(|model| table.find(span.provider.as_deref(), model, span.start_time));
        let price = found.next()?;
        Some((price.cost(&tokens)?, price))
    }

    /// Gives a call of a model its cost, unless its source has told it. A span that is no call, or whose model has no
    /// price at its time, stays without.
    pub fn apply(&self, span: &mut Span) {
        match span.cost.map(nanodollars) {
            Some(Some(_)) => {
                span.cost_source.get_or_insert_with(|| REPORTED.to_owned());
            }
            told => {
                // A cost below nothing, or of nobody knows how much, is none.
                if told.is_some() {
                    span.cost = None;
                    span.cost_source = None;
                }
                if let Some((nanos, price)) = self.cost_of(span) {
                    span.cost = Some(dollars(nanos));
                    span.cost_source = Some(price.id.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
