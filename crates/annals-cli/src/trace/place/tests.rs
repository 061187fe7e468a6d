use std::os::unix::fs::PermissionsExt as _;

use annals_deploy::StepResult;
use annals_record::Timestamp;

use super::*;

fn place(directory: &tempfile::TempDir) -> Place {
    of_token(directory, "hash")
}

fn of_token(directory: &tempfile::TempDir, token: &str) -> Place {
    Place {
        path: directory.path().join("states/state.json"),
        token: token.to_owned(),
        trace_id: "t".to_owned(),
    }
}

fn start(state: &mut State) -> Result<(), TraceError> {
    state.start("a", None, Timestamp::now()).map(|_| ())
}

fn files(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path().join("states")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn what_is_kept_is_private_and_goes_when_it_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    place.change(start).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path), 0o600);
    assert_eq!(mode(place.path.parent().unwrap()), 0o700);
    let has_open = place.change(|state| Ok(state.has_open())).unwrap();
    assert!(has_open);
    place
        .change(|state| {
            state.end_all(None, None, Timestamp::now());
            let versions: Vec<_> = state.pending().iter().map(Into::into).collect();
            state.delivered(&versions);
            Ok(())
        })
        .unwrap();
    assert_eq!(files(&directory), [] as [&str; 0]);
}

#[test]
fn a_change_that_fails_keeps_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    let nothing = place.change(|state| state.end(None, None, None, Timestamp::now()));
    assert!(matches!(nothing, Err(TraceError::NothingOpen)));
    assert_eq!(files(&directory), [] as [&str; 0]);
    place.change(start).unwrap();
    let before = std::fs::read(&place.path).unwrap();
    let failed = place.change(|state| {
        start(state)?;
        state.start("", None, Timestamp::now()).map(|_| ())
    });
    assert!(failed.is_err());
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
}

#[test]
fn what_cannot_be_understood_is_named_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    place.change(start).unwrap();
    for text in ["", "{\"version\":1", "{\"version\":9}", "\0\0\0"] {
        std::fs::write(&place.path, text).unwrap();
        let told = place.change(start).unwrap_err().to_string();
        assert!(
            told.contains("state.json") && told.contains("delete it"),
            "{told}"
        );
        assert_eq!(std::fs::read_to_string(&place.path).unwrap(), text);
    }
    place.forget().unwrap();
    place.change(start).unwrap();
    let other = of_token(&directory, "other").change(start);
    assert!(
        matches!(other, Err(TraceError::OtherToken { .. })),
        "{other:?}"
    );
}

#[test]
fn commands_at_the_same_time_lose_nothing() {
    const THREADS: usize = 8;
    const EACH: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let step = |state: &mut State| {
                        state.step("s", StepResult::Pass, None, None, Timestamp::now())
                    };
                    let version = place.change(step).unwrap();
                    // Now and then the file goes and comes again.
                    place
                        .change(|state| {
                            state.delivered(&[version]);
                            Ok(())
                        })
                        .unwrap();
                    place.change(step).unwrap();
                }
            });
        }
    });
    let kept = place.change(|state| Ok(state.pending().len())).unwrap();
    assert_eq!(kept, THREADS * EACH);
}

#[test]
fn a_file_left_by_somebody_who_was_killed_is_in_nobody_s_way() {
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    place.change(start).unwrap();
    std::fs::write(place.beside(".new"), "half of a st").unwrap();
    place.change(start).unwrap();
    assert_eq!(place.change(|state| Ok(state.pending().len())).unwrap(), 2);
}

#[test]
fn a_link_in_a_place_that_others_write_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    place.change(start).unwrap();
    let precious = directory.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, place.beside(".new")).unwrap();
    place.change(start).unwrap();
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
}
