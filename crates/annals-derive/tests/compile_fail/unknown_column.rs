use annals_record::{Record, TimestampMicros};

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "timestmap", key("symbl", "timestamp"))]
#[record(segment_by = "exchange", order_by = "timestamp, volum desc")]
#[record(index("symbol"), index("symbol", "volume"))]
struct Bar {
    symbol: String,
    timestamp: TimestampMicros,
    #[record(name = "vol")]
    volume: u64,
}

fn main() {}
