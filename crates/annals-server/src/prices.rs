//! The price list of a server, and the file that goes before it.

use std::{path::PathBuf, sync::Arc};

use annals_telemetry::{PriceList, cost::PriceError};

/// What calls cost, as every road of the server has it.
#[derive(Debug)]
pub(crate) struct Prices {
    /// Shared by the roads: when it is replaced they all see it.
    pub(crate) list: Arc<PriceList>,
    file: Option<PathBuf>,
}

impl Prices {
    /// The shipped prices, and those of a file before them.
    pub(crate) fn open(file: Option<PathBuf>) -> Result<Self, PriceError> {
        let list = read(file.as_ref())?;
        Ok(Self {
            list: Arc::new(list),
            file,
        })
    }

    /// Reads the file as it is now.
    pub(crate) async fn read(&self) -> Result<PriceList, PriceError> {
        let file = self.file.clone();
        match tokio::task::spawn_blocking(move || read(file.as_ref())).await {
            Ok(list) => list,
            Err(_) => Ok(PriceList::clone(&self.list)),
        }
    }
}

fn read(file: Option<&PathBuf>) -> Result<PriceList, PriceError> {
    file.map_or_else(
        || Ok(PriceList::shipped().clone()),
        |file| PriceList::with_file(file),
    )
}
