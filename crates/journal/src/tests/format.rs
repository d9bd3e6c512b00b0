use crate::format::{
    BLOCK, Header, Marked, Summary, decode_header, decode_record, decode_summary, encode_header,
    encode_record, encode_summary,
};
use crate::model::LifeId;
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::record::{Kind, Record, UNFINISHED};
use crate::segment::FARTHEST;
use crate::times;

fn record() -> Record {
    Record {
        time: Timestamp::from_nanos(0x1112_1314_1516_1718),
        offset: 0x2122_2324_2526_2728,
        len: 0x3132_3334,
        lines: 0x4142_4344,
        life: Some(LifeId::nth(0x5152_5354)),
        seq: 0x6162_6364,
        value: 0x7172_7374,
        stream: StreamNo(0x8182),
        kind: Kind::Exit,
        flags: UNFINISHED,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(digit.into(), 16).unwrap())
        .collect()
}

#[test]
fn the_record_is_frozen() {
    let golden =
        "18171615141312112827262524232221343332314443424154535251646362617473727182810301746d7201";
    let bytes = encode_record(&record());
    assert_eq!(hex(&bytes[..44]), golden);
    assert_eq!(hex(&bytes[44..]), "003d84d9");
    assert_eq!(decode_record(&bytes), Some(record()));
}

#[test]
fn header_and_summary_are_frozen() {
    let header =
        Header { first: 0x0102_0304_0506_0708, time: Timestamp::from_nanos(9), streams: 3 };
    let bytes = encode_header(&header);
    assert_eq!(
        hex(&bytes),
        "746d6f696e64657801000000030000000807060504030201090000000000000000000000000000000000000027e4a244"
    );
    assert_eq!(decode_header(&bytes), Ok(Some(header)));
    let marker = Some(Marked { kind: Kind::End, seq: 6, value: 7, time: Timestamp::from_nanos(8) });
    let summary = Summary {
        stream: StreamNo(1),
        flags: 4,
        life: Some(LifeId::nth(2)),
        end: 3,
        text: 5,
        marker,
    };
    let bytes = encode_summary(&summary);
    assert_eq!(
        hex(&bytes),
        "01000404020000000300000000000000050000000000000006000000070000000800000000000000746d7301ec380065"
    );
    assert_eq!(decode_summary(&bytes), Some(summary));
    let bare = Summary { marker: None, ..summary };
    assert_eq!(decode_summary(&encode_summary(&bare)), Some(bare));
}

#[test]
fn the_times_are_frozen() {
    let bytes = times::encode(Timestamp::from_nanos(0x0102_0304_0506_0708), 0x1112_1314_1516_1718);
    assert_eq!(hex(&bytes), "08070605040302011817161514131211");
    assert_eq!(
        times::decode(&bytes),
        (Timestamp::from_nanos(0x0102_0304_0506_0708), 0x1112_1314_1516_1718)
    );
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let header = encode_header(&Header { first: 1, time: Timestamp::from_nanos(2), streams: 0 });
    let summary = encode_summary(&Summary { stream: StreamNo(3), ..Summary::default() });
    for bit in 0..BLOCK * 8 {
        let flip = |mut bytes: [u8; BLOCK]| {
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        assert_eq!(decode_record(&flip(encode_record(&record()))), None, "bit {bit}");
        assert_eq!(decode_header(&flip(header)), Ok(None), "bit {bit}");
        assert_eq!(decode_summary(&flip(summary)), None, "bit {bit}");
    }
}

#[test]
fn zeros_and_the_other_blocks_are_no_records() {
    let header = encode_header(&Header { first: 1, time: Timestamp::from_nanos(2), streams: 0 });
    let summary = encode_summary(&Summary::default());
    for other in [[0; BLOCK], header, summary] {
        assert_eq!(decode_record(&other), None);
    }
    assert_eq!(decode_summary(&encode_record(&record())), None);
}

#[test]
fn what_no_file_can_hold_is_damage() {
    let record = |offset| Record { offset, len: 2, ..record() };
    assert!(decode_record(&encode_record(&record(FARTHEST - 2))).is_some());
    for offset in [FARTHEST - 1, FARTHEST, u64::MAX - 1, u64::MAX] {
        assert_eq!(decode_record(&encode_record(&record(offset))), None);
    }
    for far in [FARTHEST + 1, u64::MAX] {
        let header = Header { first: far, time: Timestamp::EPOCH, streams: 0 };
        assert_eq!(decode_header(&encode_header(&header)), Ok(None));
        for summary in [
            Summary { end: far, ..Summary::default() },
            Summary { text: far, ..Summary::default() },
        ] {
            assert_eq!(decode_summary(&encode_summary(&summary)), None);
        }
    }
}
