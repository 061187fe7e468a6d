//! Which names tables and columns may have, and which one was meant.

/// What PostgreSQL leaves of a name, less the room for the `_nanos` of a second column.
///
/// Longer names are cut off there, in silence, and two of them can then be one.
const MAX_BYTES: usize = 63 - NANOS_SUFFIX.len();

const NANOS_SUFFIX: &str = "_nanos";

/// Columns that every table of PostgreSQL has already.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// The name of the second column of a field whose first is called `name`.
pub(crate) fn nanos(name: &str) -> String {
    format!("{name}{NANOS_SUFFIX}")
}

/// Says what is wrong with the name of a table.
pub(crate) fn check_table(name: &str) -> Result<(), String> {
    check(name, "table")
}

/// Says what is wrong with the name of a column.
pub(crate) fn check_column(name: &str) -> Result<(), String> {
    check(name, "column")?;
    if SYSTEM_COLUMNS.contains(&name) {
        return Err(format!(
            "every table of PostgreSQL has a column `{name}` of its own"
        ));
    }
    Ok(())
}

fn check(name: &str, what: &str) -> Result<(), String> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if name.is_empty() {
        return Err(format!("the name of a {what} is empty"));
    }
    if name.bytes().next().is_some_and(|byte| !is_letter(byte))
        || name
            .bytes()
            .any(|byte| !is_letter(byte) && !byte.is_ascii_digit())
    {
        return Err(format!(
            "{name:?} cannot name a {what}: a name has only a to z, 0 to 9 and _, and no digit in front"
        ));
    }
    if name.len() > MAX_BYTES {
        return Err(format!(
            "the name of a {what} has at most {MAX_BYTES} bytes, and this one {}",
            name.len()
        ));
    }
    Ok(())
}

/// What was probably meant by `name`, of things with the names by which one may call them.
pub(crate) fn closest<'a, T>(
    name: &str,
    known: impl Iterator<Item = (impl AsRef<str>, &'a T)>,
) -> Option<&'a T>
where
    T: ?Sized,
{
    known
        .map(|(known, meant)| (distance(name, known.as_ref()), known.as_ref().len(), meant))
        .filter(|(distance, length, _)| *distance <= name.len().max(*length) / 3)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, meant)| meant)
}

/// How many bytes have to be put in, left out or replaced to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (1..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        for (slot, y) in row.iter_mut().zip(b.bytes()) {
            let above = *slot;
            left = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *slot = left;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

/// `HttpServer` as `http_server`; a run of capitals is one word (`HTTPServer` is the same).
pub(crate) fn snake_case(variant: &str) -> String {
    let mut snake = String::with_capacity(variant.len() + 4);
    let mut characters = variant.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(character) = characters.next() {
        let ends_a_word = before.is_some_and(|before| before != '_' && !before.is_uppercase());
        let begins_a_word = before.is_some_and(char::is_uppercase)
            && characters.peek().is_some_and(|after| after.is_lowercase());
        if character.is_uppercase() && (ends_a_word || begins_a_word) {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
        before = Some(character);
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_become_words_in_snake_case() {
        for (variant, snake) in [
            ("Server", "server"),
            ("InProcess", "in_process"),
            ("HTTPServer", "http_server"),
            ("OpenAI", "open_ai"),
            ("Sha256Sum", "sha256_sum"),
            ("A", "a"),
            ("ABTest", "ab_test"),
            ("With_Underscore", "with_underscore"),
            ("Überall", "überall"),
        ] {
            assert_eq!(snake_case(variant), snake);
        }
    }

    #[test]
    fn the_distance_counts_changed_bytes() {
        for (a, b, changes) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("symbol", "simbols", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), changes, "{a} {b}");
        }
    }

    #[test]
    fn only_a_close_name_is_suggested() {
        let known = || [("symbol", "s"), ("timestamp", "t"), ("open", "o")].into_iter();
        assert_eq!(closest("timestmap", known()), Some("t"));
        assert_eq!(closest("volume", known()), None);
    }

    #[test]
    fn names_keep_to_what_every_backend_takes_unquoted() {
        assert!(check_table(&"a".repeat(57)).is_ok());
        assert!(check_table(&"a".repeat(58)).is_err());
        for name in ["", "1a", "aB", "a b", "a-b", "ä", "a\""] {
            assert!(check_table(name).is_err(), "{name:?}");
        }
        assert!(check_table("xmin").is_ok());
        assert!(check_column("xmin").is_err());
        assert!(check_column("_x1").is_ok());
    }
}
