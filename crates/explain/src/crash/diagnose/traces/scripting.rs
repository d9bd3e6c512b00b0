//! Perl, PHP and Ruby, whose errors stand in one line with their place, above their callers.

use super::{Trace, first_own, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

/// A language of this kind.
struct Language {
    /// A caller.
    frame: Expr,
    /// Parts of paths that do not belong to the project.
    strange: &'static [&'static str],
}

impl Language {
    /// The trace in these lines, whose first has this message and place.
    fn trace(
        &self,
        evidence: &Evidence,
        lines: &[&str],
        (begin, end): (usize, usize),
        [text, path, line]: [&str; 3],
    ) -> Trace {
        let frames = lines[begin..=end].iter().filter_map(|line| self.frame.groups(line));
        let place = first_own(evidence, [[path, line]].into_iter().chain(frames), self.strange);
        Trace { begin, at: begin, text: text.to_owned(), place, next: None, end }
    }
}

/// `\tmain::load(1) called at app.pl line 9`
static PERL: Language = Language {
    frame: Expr::new(r"^\s+.+ called at (\S+) line (\d+)$"),
    strange: &["/usr/share/perl", "/usr/lib/", "/perl5/"],
};
/// `text at app.pl line 3.`
static PERL_ERROR: Expr = Expr::new(
    r"^(\S.*?) at (\S+\.(?:pl|pm|t|psgi|cgi)|\S*/\S+|-e) line (\d+)(?:, <\S+> (?:line|chunk) \d+)?\.?$",
);
/// The line after an error that was found at compile time.
static PERL_ABORTED: Expr = Expr::new(
    r"^(?:BEGIN failed--compilation aborted|Compilation failed in require|Execution of \S+ aborted due to compilation errors|\S+ had compilation errors)",
);

static PHP: Language = Language {
    frame: Expr::new(r"^(?:PHP )?\s*#\d+ (\S+\.php)\((\d+)\): "),
    strange: &["/vendor/"],
};
/// `PHP Fatal error:  Uncaught Exception: text in /srv/app/db.php:12`
static PHP_ERROR: Expr = Expr::new(
    r"^(?:\[.*?\] )?(?:PHP )?(?:Fatal|Parse) error:\s+(?:Uncaught )?(.+?) in (\S+\.php)(?::| on line )(\d+)$",
);
static PHP_BELOW: Expr = Expr::new(r"^(?:PHP )?(?:Stack trace:|\s*#\d+ |\s+thrown in )");

/// `\tfrom app.rb:9:in …`
static RUBY: Language = Language {
    frame: Expr::new(r"^\s+(?:\d+: )?from (\S+?):(\d+):in "),
    strange: &["/gems/", "/lib/ruby/", "<internal:", "/rubygems/", "/bundler/"],
};
/// ``app.rb:3:in `run': text (NoMethodError)``
static RUBY_ERROR: Expr = Expr::new(r"^(\S+?):(\d+):in [`'].+?': (.+ \([A-Z][\w:]*\))$");
/// An error without callers: `app.rb:3: syntax error …`, with or without `(SyntaxError)` after it.
static RUBY_BARE: Expr =
    Expr::new(r"^(\S+\.rb):(\d+): (.+ \((?:SyntaxError|[A-Z]\w*Error)\)|syntax error.*)$");

/// The last fatal error; for compile errors, the first.
pub(super) fn last_of_perl(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let ends = |line: &str| PERL.frame.finds(line) || PERL_ABORTED.finds(line);
    let is_error = |line: &str| PERL_ERROR.finds(line) && !ends(line);
    let last = lines.iter().rposition(|line| is_error(line))?;
    let end = last + lines[last + 1..].iter().take_while(|line| ends(line)).count();
    let aborted = lines[last..=end].iter().any(|line| PERL_ABORTED.finds(line));
    let before = lines[..last].iter().rev().take_while(|line| is_error(line));
    let at = if aborted { last - before.count() } else { last };
    Some(PERL.trace(evidence, lines, (at, end), PERL_ERROR.groups(lines[at])?))
}

/// The last uncaught error.
pub(super) fn last_of_php(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at = last_of(lines, &PHP_ERROR)?;
    let end = at + lines[at + 1..].iter().take_while(|line| PHP_BELOW.finds(line)).count();
    Some(PHP.trace(evidence, lines, (at, end), PHP_ERROR.groups(lines[at])?))
}

/// The last exception. In a chain of causes, the innermost comes last.
pub(super) fn last_of_ruby(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at = lines.iter().rposition(|line| RUBY_ERROR.finds(line) || RUBY_BARE.finds(line))?;
    let end = at + lines[at + 1..].iter().take_while(|line| RUBY.frame.finds(line)).count();
    let error = RUBY_ERROR.groups(lines[at]).or_else(|| RUBY_BARE.groups(lines[at]));
    let [path, line, text] = error?;
    Some(RUBY.trace(evidence, lines, (at, end), [text, path, line]))
}
