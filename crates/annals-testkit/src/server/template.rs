//! Data directories, copied from one that is made once.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::run;
use super::installation::{Installation, cache_dir};
use super::options::PASSWORD;
use super::{Flavor, ServerError};

/// Part of the cached directory's name: to be raised when something here changes what is in it.
const RECIPE: u32 = 1;

/// A database with the extension in it, in clusters with TimescaleDB: copying one takes a quarter
/// of the time that `CREATE EXTENSION` takes.
pub(super) const EXTENDED: &str = "annals_template";

/// Makes `data` a fresh data directory. `scratch` is an empty place for the first time.
pub(super) fn copy_to(
    data: &Path,
    scratch: &Path,
    flavor: Flavor,
    installation: &Installation,
) -> Result<(), ServerError> {
    let cache = cache_dir().join("templates");
    let template = cache.join(format!("{flavor}-{}-{RECIPE}", installation.key()));
    if !template.exists() {
        initdb(scratch, installation)?;
        if flavor == Flavor::Timescale {
            extend(scratch, installation)?;
        }
        fs::create_dir_all(&cache).map_err(ServerError::path("make", &cache))?;
        publish(scratch, &template, &cache)?;
    }
    copy(&template, data)
}

fn initdb(scratch: &Path, installation: &Installation) -> Result<(), ServerError> {
    fs::create_dir(scratch).map_err(ServerError::path("make", scratch))?;
    installation.give(scratch)?;
    // Every template has the password, so that only pg_hba.conf decides whether it is asked for.
    let password = scratch.with_file_name("password");
    fs::write(&password, PASSWORD).map_err(ServerError::path("write", &password))?;
    let mut initdb = installation.command("initdb");
    initdb.arg("--pgdata").arg(installation.inside(scratch));
    initdb.arg("--pwfile").arg(installation.inside(&password));
    initdb.args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]);
    initdb.args(["--no-sync", "--no-instructions"]);
    run(initdb).map(drop)
}

/// Makes [`EXTENDED`]. Nobody can connect to it, so nothing ever is in the way of a copy.
fn extend(scratch: &Path, installation: &Installation) -> Result<(), ServerError> {
    let create = format!("CREATE DATABASE {EXTENDED} TEMPLATE template0");
    let seal = format!("ALTER DATABASE {EXTENDED} IS_TEMPLATE true ALLOW_CONNECTIONS false");
    single_user("postgres", &create, scratch, installation)?;
    single_user(
        EXTENDED,
        "CREATE EXTENSION timescaledb",
        scratch,
        installation,
    )?;
    single_user("postgres", &seal, scratch, installation)
}

/// Runs one statement without a server, a port and a client.
fn single_user(
    database: &str,
    sql: &str,
    data: &Path,
    installation: &Installation,
) -> Result<(), ServerError> {
    let mut command = installation.command("postgres");
    command
        .args(["--single", "-j", "-D"])
        .arg(installation.inside(data));
    for setting in [
        "exit_on_error=on",
        "fsync=off",
        "shared_preload_libraries=timescaledb",
        "timescaledb.telemetry_level=off",
    ] {
        command.args(["-c", setting]);
    }
    let failed = |reason| ServerError::io(sql, reason);
    let mut child = command
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // With -j a statement ends at an empty line.
        input
            .write_all(format!("{sql};\n\n").as_bytes())
            .map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError::io(
        sql,
        String::from_utf8_lossy(&output.stderr),
    ))
}

/// Several processes may be first at the same time: each makes a template under a name of its own,
/// and the one who renames it first wins.
fn publish(scratch: &Path, template: &Path, cache: &Path) -> Result<(), ServerError> {
    let ours = tempfile::Builder::new()
        .prefix("new-")
        .tempdir_in(cache)
        .map_err(ServerError::path("make a directory in", cache))?;
    let copied = ours.path().join("data");
    copy(scratch, &copied)?;
    match fs::rename(&copied, template) {
        Err(error) if !template.exists() => Err(ServerError::path("make", template)(error)),
        _ => Ok(()),
    }
}

/// Owner and mode have to stay, which `fs::copy` does not do.
fn copy(from: &Path, to: &Path) -> Result<(), ServerError> {
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(from).arg(to);
    run(cp).map(drop)
}
