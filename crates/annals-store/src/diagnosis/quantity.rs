//! Sizes and ages as people read them.

use std::time::Duration;

pub(super) const MB: u64 = 1 << 20;
pub(super) const GB: u64 = 1 << 30;
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Bytes in the unit in which settings are written.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..MB => format!("{} kB", bytes >> 10),
        MB..GB => format!("{} MB", bytes >> 20),
        _ => format!("{:.1} GB", bytes as f64 / GB as f64),
    }
}

/// How long something is or was, in its largest unit.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(count, unit)
}

/// How long ago a time in microseconds was, at another one.
pub(super) fn since(then: i64, now: i64) -> Duration {
    Duration::from_micros(u64::try_from(now.saturating_sub(then)).unwrap_or(0))
}

/// A number with what is counted, one or many.
pub(super) fn counted(count: u64, unit: &str) -> String {
    match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_told_in_the_unit_that_people_use() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(128 * MB), "128 MB");
        assert_eq!(bytes(3 * GB / 2), "1.5 GB");
        assert_eq!(length(Duration::from_secs(1)), "1 second");
        assert_eq!(length(Duration::from_secs(86_400)), "24 hours");
        assert_eq!(length(DAY * 7), "7 days");
        assert_eq!(since(5, 3), Duration::ZERO);
    }
}
