//! Encryption, room for connections, and whose the tables are.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::{Advice, Note},
    quantity::counted,
    shown,
};
use crate::{Error, Result, backend::Backend};

const SUBJECT: &str = "connection";

/// Beyond this a server is far away for whoever appends one message after the other.
const FAR: Duration = Duration::from_millis(10);

/// A connection as the server tells of it.
#[derive(Debug)]
struct Link {
    user: String,
    is_superuser: bool,
    is_encrypted: bool,
    /// Connections that this user may have in this database, those for superusers aside.
    room: i64,
}

pub(super) async fn look(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
) -> Result<Vec<Diagnosis>> {
    let link = link(connection).await?;
    let mut found = Vec::new();
    if let Backend::Postgres(postgres) = asked.store.backend() {
        let host = postgres.pool().connect_options().get_host().to_owned();
        if !link.is_encrypted && !is_here(&host) {
            found.push(Diagnosis::new(
                Advice,
                SUBJECT,
                format!("what goes to {host} and back is not encrypted, passwords of connecting aside"),
                "set DB_SSL_MODE (or sslmode in DATABASE_URL) to verify-full, once the server has a certificate",
            ));
        }
    }
    let (_, _, max) = asked.store.backend().pool_size();
    found.extend(of_room(max, link.room));
    if link.is_superuser {
        found.push(Diagnosis::new(
            Note,
            SUBJECT,
            format!(
                "the user {:?} is a superuser, which Annals does not need",
                link.user
            ),
            "make a user that owns the tables and may do nothing else, and connect as that one",
        ));
    }
    let latency = latency(connection).await?;
    if latency >= FAR {
        found.push(Diagnosis::new(
            Note,
            SUBJECT,
            format!(
                "the server is {:.0} ms away: so long takes every write and every read that waits for the one before",
                latency.as_secs_f64() * 1e3
            ),
            "run `annals serve` near its database, and write in batches",
        ));
    }
    found.extend(of_owners(connection, asked, &link).await?);
    Ok(found)
}

async fn link(connection: &mut PgConnection) -> Result<Link> {
    // A limit of -1 is none.
    let sql = "SELECT current_user::text, role.rolsuper, COALESCE(tls.ssl, false),
                      LEAST(current_setting('max_connections')::int
                                - current_setting('superuser_reserved_connections')::int
                                - COALESCE(current_setting('reserved_connections', true)::int, 0),
                            NULLIF(role.rolconnlimit, -1),
                            NULLIF(database.datconnlimit, -1))::bigint
                 FROM pg_roles AS role
                 JOIN pg_database AS database ON database.datname = current_database()
                 LEFT JOIN pg_stat_ssl AS tls ON tls.pid = pg_backend_pid()
                WHERE role.rolname = current_user";
    let doing = "looking at the connection";
    let row = sqlx::query(sql).fetch_one(connection).await;
    let row = row.map_err(Error::statement(doing))?;
    let read = || -> Result<Link, sqlx::Error> {
        Ok(Link {
            user: row.try_get(0)?,
            is_superuser: row.try_get(1)?,
            is_encrypted: row.try_get(2)?,
            room: row.try_get(3)?,
        })
    };
    read().map_err(Error::statement(doing))
}

/// The shortest of a few, since any may have waited for something else.
async fn latency(connection: &mut PgConnection) -> Result<Duration> {
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let answered = connection.ping().await;
        answered.map_err(Error::statement("asking for an answer"))?;
        shortest = shortest.min(started.elapsed());
    }
    Ok(shortest)
}

/// Whether a host is this machine: a socket, or loopback.
fn is_here(host: &str) -> bool {
    host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn of_room(pool: u32, room: i64) -> Option<Diagnosis> {
    let pool = i64::from(pool);
    let (what, servers) = if pool > room {
        ("one server", 1)
    } else if pool * 2 > room {
        ("two servers", 2)
    } else {
        return None;
    };
    Some(Diagnosis::new(
        Advice,
        SUBJECT,
        format!(
            "DB_MAX_CONNECTIONS is {pool} and the server has room for {}: not for those of {what}",
            counted(u64::try_from(room).unwrap_or(0), "connection")
        ),
        format!(
            "set DB_MAX_CONNECTIONS to {} or less, or raise max_connections (or the user's or the database's own limit)",
            (room / servers).max(1)
        ),
    ))
}

/// Chunks are dropped and compressed by a table's owner.
async fn of_owners(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    link: &Link,
) -> Result<Vec<Diagnosis>> {
    let sql = "SELECT pg_get_userbyid(relowner)::text
                 FROM pg_class
                WHERE oid = to_regclass($1) AND NOT pg_has_role(relowner, 'USAGE')";
    let mut found = Vec::new();
    for table in asked.tables {
        let name = table.descriptor().table;
        let owner: Option<String> = sqlx::query_scalar(sql)
            .bind(table.names().table(name))
            .fetch_optional(&mut *connection)
            .await
            .map_err(Error::statement("looking for tables' owners"))?;
        if let Some(owner) = owner {
            found.push(Diagnosis::new(
                Advice,
                SUBJECT,
                format!(
                    "{} belongs to {owner:?}, so the user {:?} can neither drop nor compress what is old in it",
                    shown(table.names(), name),
                    link.user
                ),
                format!("connect as {owner:?}, or GRANT {owner:?} TO {:?}", link.user),
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_leaves_no_room_for_a_second_server_is_told() {
        assert_eq!(of_room(20, 97), None);
        assert_eq!(of_room(48, 97), None);
        let two = of_room(49, 97).unwrap();
        assert!(
            two.what.contains("two servers") && two.way_out.contains("48"),
            "{two:?}"
        );
        let one = of_room(20, 3).unwrap();
        assert!(
            one.what.contains("one server") && one.way_out.contains(" 3 "),
            "{one:?}"
        );
    }

    #[test]
    fn this_machine_is_known_by_any_of_its_names() {
        for here in [
            "/var/run/postgresql",
            "localhost",
            "127.0.0.1",
            "::1",
            "[::1]",
        ] {
            assert!(is_here(here), "{here}");
        }
        assert!(!is_here("db.example") && !is_here("10.0.0.7"));
    }
}
