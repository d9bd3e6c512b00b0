//! The process table as `ps` prints it.

use super::{ProcInfo, Usage};

/// The columns requested from `ps`; [`parse_line`] parses them.
#[cfg(not(target_os = "linux"))]
pub(super) const COLUMNS: &str = "pid=,ppid=,pgid=,state=,lstart=,comm=";

/// One line of `ps -axo pid=,ppid=,pgid=,state=,lstart=,comm=` in the C locale.
///
/// The session is missing: `getsid` provides it where it is needed.
pub(super) fn parse_line(line: &str) -> Option<ProcInfo> {
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_start();
        let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = tail;
        (!word.is_empty()).then_some(word)
    };
    let [pid, parent, group] = [word()?, word()?, word()?].map(|number| number.parse().ok());
    let state = word()?.chars().next()?;
    word()?; // day of the week
    let start_time = seconds([word()?, word()?, word()?, word()?])?;
    let comm = rest.trim();
    let name = comm.rsplit('/').next().unwrap_or(comm).to_owned();
    let comm = comm.to_owned();
    Some(ProcInfo {
        pid: pid?,
        ppid: parent?,
        pgid: group?,
        sid: 0,
        state,
        threads: 1,
        start_time,
        comm,
        name,
    })
}

/// A line of `ps -o time=,rss=`: CPU time (`1-02:03:04`, `1:02.34`) and resident KiB.
pub(super) fn parse_usage(line: &str) -> Option<Usage> {
    let mut words = line.split_ascii_whitespace();
    let (time, resident) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    let (days, clock) = time.split_once('-').unwrap_or(("0", time));
    let mut seconds = f64::from(days.parse::<u32>().ok()?) * 24.0;
    let parts: Vec<f64> = clock.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    seconds = if parts.len() > 2 { seconds + parts[0] } else { seconds };
    for part in parts.iter().skip(parts.len().saturating_sub(2)) {
        seconds = seconds * 60.0 + part;
    }
    let cpu = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    Some(Usage { cpu, resident: resident.saturating_mul(1024) })
}

/// `Aug 4 12:34:56 2025` as a number that grows with time (not a real timestamp).
fn seconds([month, day, time, year]: [&str; 4]) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = u64::try_from(MONTHS.find(month)? / 3).ok()?;
    let days = (year.parse::<u64>().ok()? * 12 + month) * 31 + day.parse::<u64>().ok()?;
    let mut clock = time.split(':').map(|part| part.parse::<u64>().ok());
    let [hours, minutes, seconds] = [clock.next()??, clock.next()??, clock.next()??];
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// The pid, if a line of `ps -E -o pid=,command=` shows all these variables.
pub(super) fn marked(line: &str, marks: &[&str]) -> Option<u32> {
    let mut words = line.split_ascii_whitespace();
    let pid = words.next()?.parse().ok()?;
    marks.iter().all(|mark| words.clone().any(|word| word == *mark)).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::{marked, parse_line, parse_usage};

    #[test]
    fn usage_is_read() {
        let read = |line| parse_usage(line).map(|usage| (usage.cpu.as_millis(), usage.resident));
        assert_eq!(read("  0:01.50   2048\n"), Some((1500, 2 << 20)));
        assert_eq!(read("01:02:03 1"), Some((3_723_000, 1024)));
        assert_eq!(read("1-00:00:01 1"), Some((86_401_000, 1024)));
        assert_eq!(read("x 1"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_line_of_the_table() {
        let line = "  512     1   511 Ss   Mon Aug  4 12:34:56 2025     /usr/local/bin/my tool";
        let process = parse_line(line).unwrap();
        assert_eq!((process.pid, process.ppid, process.pgid, process.state), (512, 1, 511, 'S'));
        assert_eq!(process.name, "my tool");
        let later = line.replace("Aug  4 12:34:56", "Sep  1 00:00:00");
        assert!(parse_line(&later).unwrap().start_time > process.start_time);
    }

    #[test]
    fn what_is_no_line() {
        for line in ["", "1 2 3", "x 1 1 S Mon Aug  4 12:34:56 2025 sh", "1 1 1 S Mon Foo 4 1 2 x"]
        {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_variable_is_a_whole_word() {
        let line = "77 sh -c x HOME=/ TMO_SESSION=ab12 PATH=/bin";
        assert_eq!(marked(line, &["TMO_SESSION=ab12"]), Some(77));
        assert_eq!(marked(line, &["TMO_SESSION=ab1"]), None);
        assert_eq!(marked(line, &["TMO_SESSION=ab12", "TMO_PROCESS=web"]), None);
    }
}
