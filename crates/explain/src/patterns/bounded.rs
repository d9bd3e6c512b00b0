//! Regular expressions with a bounded search time, whatever the expression and the text are: the
//! supervisor does nothing else during a search.
//!
//! A lazy DFA does one table lookup per byte. It gives up if an expression needs a new state for
//! nearly every byte, and, if the expression contains Unicode word boundaries, at any non-ASCII
//! character. The search then falls back to simulating the NFA. That takes up to as many steps per
//! byte as the expression has states, so it is done only within a budget of steps.

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures, pikevm};
use regex_automata::util::primitives::NonMaxUsize;
use regex_syntax::hir::Hir;

use super::LONGEST_LINE;

/// Larger NFAs are rejected, as in the `regex` crate.
const MOST_MEMORY: usize = 10 << 20;
/// The memory that all DFAs of a process should use together.
const CACHES: usize = 8 << 20;
/// A full DFA cache is cleared and rebuilt only if at least this many bytes were searched per
/// state.
const BYTES_PER_STATE: usize = 64 << 10;

/// The budget of NFA steps for one line, shared by all expressions of a process. A step takes a few
/// nanoseconds, so one turn of the supervisor takes some hundredths of a second at most.
#[derive(Debug)]
pub(super) struct Steps(usize);

impl Steps {
    const EACH_LINE: usize = 20_000;
    const EACH_BYTE: usize = 4_000;
    const MOST: usize = 4_000_000;

    pub(super) fn for_line(length: usize) -> Self {
        let by_length = length.saturating_mul(Self::EACH_BYTE);
        Self(by_length.saturating_add(Self::EACH_LINE).min(Self::MOST))
    }

    /// No NFA steps: only search with a DFA.
    pub(super) const fn none() -> Self {
        Self(0)
    }
}

/// The search would exceed the budget of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooSlow;

/// A regular expression.
#[derive(Debug)]
pub(super) struct Bounded {
    dfa: DFA,
    dfa_cache: Option<Cache>,
    simulation: pikevm::PikeVM,
    simulation_cache: Option<pikevm::Cache>,
    states: usize,
}

impl Bounded {
    /// `count` is the number of expressions of the process, which share the memory for caches.
    pub(super) fn new(hir: &Hir, count: usize) -> Option<Self> {
        let config = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(MOST_MEMORY))
            .which_captures(WhichCaptures::Implicit);
        let nfa = thompson::Compiler::new().configure(config).build_from_hir(hir).ok()?;
        let dfa = Config::new()
            .unicode_word_boundary(true)
            .cache_capacity((CACHES / count.max(1)).clamp(128 << 10, 1 << 20))
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(0))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE));
        Some(Self {
            states: nfa.states().len(),
            dfa: DFA::builder().configure(dfa).build_from_nfa(nfa.clone()).ok()?,
            dfa_cache: None,
            simulation: pikevm::PikeVM::new_from_nfa(nfa).ok()?,
            simulation_cache: None,
        })
    }

    /// The end of the first match in this text, searched from the given place and within its first
    /// [`LONGEST_LINE`] bytes.
    pub(super) fn find_end(
        &mut self,
        text: &[u8],
        from: usize,
        steps: &mut Steps,
    ) -> Result<Option<usize>, TooSlow> {
        let to = text.len().min(LONGEST_LINE);
        let input = Input::new(text).range(from..to).earliest(true);
        let cache = self.dfa_cache.get_or_insert_with(|| self.dfa.create_cache());
        if let Ok(found) = self.dfa.try_search_fwd(cache, &input) {
            return Ok(found.map(|found| found.offset()));
        }
        let needed = self.states.saturating_mul(to - from);
        steps.0 = steps.0.checked_sub(needed).ok_or(TooSlow)?;
        let cache = self.simulation_cache.get_or_insert_with(|| self.simulation.create_cache());
        let mut places = [None; 2];
        let found = self.simulation.search_slots(cache, &input, &mut places);
        Ok(found.map(|_| places[1].map_or(from, NonMaxUsize::get)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::ParserBuilder;

    use super::{Bounded, Steps, TooSlow};

    fn bounded(pattern: &str) -> Bounded {
        let hir = ParserBuilder::new().utf8(false).build().parse(pattern).unwrap();
        Bounded::new(&hir, 1).unwrap()
    }

    fn is_found(pattern: &mut Bounded, line: &str) -> Result<bool, TooSlow> {
        let found = pattern.find_end(line.as_bytes(), 0, &mut Steps::for_line(line.len()));
        found.map(|end| end.is_some())
    }

    #[test]
    fn what_takes_too_long_is_not_done() {
        // In random order: otherwise few states would be needed.
        let mut state = 1u32;
        let mut letter = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 { 'a' } else { 'b' }
        };
        let mut flood = |count: usize| (0..count).map(|_| letter()).collect::<String>();
        let mut slow = bounded(r"^\w*a[ab]{9000}a\w*[cd]");
        assert_eq!(is_found(&mut slow, &flood(60_000)), Err(TooSlow));
        assert_eq!(is_found(&mut slow, "no"), Ok(false));
        let mut fine = bounded(r"[ab]*a[ab]{200}[cd]\w$");
        assert_eq!(is_found(&mut fine, &flood(2000)), Ok(false));
        assert_eq!(is_found(&mut fine, &(flood(2000) + "cd")), Ok(true));
        // Non-ASCII characters, at which a DFA can't determine word boundaries.
        let mut words = bounded(r"(?i)\bошибка\b");
        assert_eq!(is_found(&mut words, &("–".repeat(10_000) + " Ошибка!")), Ok(true));
        assert_eq!(is_found(&mut words, "Ошибкаx"), Ok(false));
    }

    proptest! {
        #[test]
        fn it_finds_what_a_usual_expression_finds(
            pattern in prop::sample::select(vec![
                "a+b", "^b|c$", r"\bé", r"\w\b", "(a|b){2,4}c", "[^a]é?$", "", r"\d|\s", "(?-u:\\xff)|a",
            ]),
            line in "[abc é1]{0,30}",
            from in 0usize..30,
        ) {
            let usual = regex::bytes::Regex::new(pattern).unwrap();
            let from = from.min(line.len());
            let expected = usual.shortest_match_at(line.as_bytes(), from);
            let found = bounded(pattern).find_end(line.as_bytes(), from, &mut Steps::for_line(30));
            prop_assert_eq!(found, Ok(expected));
        }
    }
}
