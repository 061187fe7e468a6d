//! `annals chunks export`: a chunk's rows as CSV.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use annals_store::{Error, Lifecycle, LifecycleError, lifecycle::Exported};

use super::{Place, command::ExportArgs, label};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{bytes, many, print_json, print_line, printable},
    progress::Progress,
};

pub(super) async fn run(
    database: &DatabaseArgs,
    args: &ExportArgs,
    json: bool,
) -> Result<(), CliError> {
    let to_stdout = args.output == Path::new("-");
    if to_stdout && json {
        return Err(CliError::ChunkInJson);
    }
    if !to_stdout {
        refuse_to_overwrite(args)?;
    }
    let place = Place::of(database).await?;
    let life = place.table(&args.table.label()).await?;
    if to_stdout {
        let mut out = BufWriter::new(io::stdout());
        let exported = match life.export_chunk(&args.chunk, &mut out).await {
            // A reader that has gone (`| head`) is no failure.
            Err(error) if is_broken_pipe(&error) => return Ok(()),
            exported => exported?,
        };
        match out.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            flushed => flushed?,
        }
        eprintln!("{}", told(&exported));
        return Ok(());
    }
    let exported = to_file(&life, args).await?;
    if json {
        return print_json(&serde_json::json!({
            "table": life.table().label(),
            "chunk": args.chunk,
            "file": args.output.display().to_string(),
            "rows": exported.rows,
            "bytes": exported.bytes,
            "sha256": exported.sha256,
        }));
    }
    print_line(&format!(
        "{} of {} is in {}: {}",
        printable(&args.chunk),
        label(&life),
        args.output.display(),
        told(&exported)
    ))
}

/// Whatever ends before its end leaves no file of that name.
async fn to_file(life: &Lifecycle, args: &ExportArgs) -> Result<Exported, CliError> {
    let part = part(&args.output);
    let exported = write(life, &args.chunk, &part).await;
    let done = exported.and_then(|exported| {
        refuse_to_overwrite(args)?;
        fs::rename(&part, &args.output).map_err(cannot(&args.output))?;
        Ok(exported)
    });
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done
}

async fn write(life: &Lifecycle, chunk: &str, part: &Path) -> Result<Exported, CliError> {
    let progress = Progress::doing("exporting");
    let mut out = BufWriter::new(File::create(part).map_err(cannot(part))?);
    let exported = life.export_chunk(chunk, &mut out).await;
    progress.finish();
    let exported = exported?;
    let file = out.into_inner().map_err(|error| error.into_error());
    let synced = file.and_then(|file| file.sync_all());
    synced.map_err(cannot(part))?;
    Ok(exported)
}

fn refuse_to_overwrite(args: &ExportArgs) -> Result<(), CliError> {
    if !args.force && args.output.symlink_metadata().is_ok() {
        return Err(CliError::FileExists {
            path: args.output.clone(),
        });
    }
    Ok(())
}

fn part(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn cannot(path: &Path) -> impl Fn(io::Error) -> CliError {
    move |source| CliError::Write {
        path: path.to_owned(),
        source,
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    let Error::Lifecycle(error) = error else {
        return false;
    };
    matches!(&**error, LifecycleError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
}

fn told(exported: &Exported) -> String {
    format!(
        "{}, {}, sha256 {}",
        many(exported.rows, "row"),
        bytes(exported.bytes),
        exported.sha256
    )
}
