//! The man pages, generated from the same text as the help. Those of section 5 are in `topics`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use super::page::literal;
use super::topics;
use crate::cli::args::topics::{TOPICS, Topic};
use crate::cli::args::values;
use crate::cli::error::{CliError, EXIT_CODES};
use crate::cli::output;
use crate::cli::verbs::command;

/// Print a man page, or write all of them to a directory.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo man start | man -l -
  tmo man tmo.toml | man -l -
  tmo man --dir ~/.local/share/man/man1")]
pub(in crate::cli) struct ManArgs {
    /// The page of this command; without it the page of tmo itself.
    #[arg(value_name = "COMMAND", add = values::verb())]
    verb: Option<String>,
    /// Write all pages to this directory instead.
    #[arg(long, conflicts_with = "verb", add = values::directory())]
    dir: Option<PathBuf>,
}

/// Its commands are those of tmo, which have pages.
const FLEET: &str = "fleet";

/// Write the page of a command or topic, or that of tmo itself; `false` if there is no such page.
pub fn write(verb: Option<&str>, out: &mut dyn Write) -> io::Result<bool> {
    if let Some(topic) = verb.and_then(|verb| Topic::named(verb.as_ref())) {
        return out.write_all(&topics::page(topic).1).map(|()| true);
    }
    // As the page is called.
    let verb = verb.map(|verb| verb.strip_prefix("tmo-").unwrap_or(verb));
    let all = commands();
    match all.iter().find(|page| {
        verb.is_none_or(|verb| {
            let own = page.get_display_name().and_then(|name| name.strip_prefix("tmo-"));
            own.unwrap_or(page.get_name()) == verb
                || page.get_all_aliases().any(|alias| alias == verb)
        })
    }) {
        Some(page) => render(page, out).map(|()| true),
        None => Ok(false),
    }
}

/// All pages: file name and content.
pub(in crate::cli) fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let page = |command: &Command| {
        let mut text = Vec::new();
        render(command, &mut text)?;
        Ok((file_name(command), text))
    };
    let topics = TOPICS.iter().map(|topic| Ok(topics::page(topic)));
    let all = commands();
    let shown = all.iter().filter(|command| !command.is_hide_set());
    shown.map(page).chain(topics).collect()
}

/// Write all pages to a directory.
pub fn write_all(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    pages()?.into_iter().try_for_each(|(name, text)| std::fs::write(dir.join(name), text))
}

/// tmo itself, then its commands, each followed by its own.
fn commands() -> Vec<Command> {
    fn add(command: &Command, pages: &mut Vec<Command>) {
        pages.push(command.clone().version(env!("CARGO_PKG_VERSION")));
        if command.get_name() == FLEET {
            return;
        }
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            add(verb, pages);
        }
    }
    let mut command = command().disable_help_subcommand(true);
    command.build();
    let mut pages = vec![];
    add(&command, &mut pages);
    pages
}

/// `tmo.1`, `tmo-start.1`.
fn file_name(page: &Command) -> String {
    format!("{}.1", page.get_display_name().unwrap_or_else(|| page.get_name()))
}

/// One page. The examples are not filled, which would make them unreadable.
fn render(page: &Command, out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(page.clone())
        .source(concat!("tmo ", env!("CARGO_PKG_VERSION")))
        .manual("The tmo manual");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if page.get_name() == FLEET {
        writeln!(out, ".SH COMMANDS")?;
        for verb in page.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            writeln!(out, ".TP\n{}\n{}", literal(verb.get_name()), literal(&about))?;
        }
    } else if page.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    if let Some(examples) = page.get_after_help().map(ToString::to_string) {
        writeln!(out, ".SH EXAMPLES\n.nf")?;
        for line in examples.lines().skip_while(|line| *line == "Examples:") {
            writeln!(out, "{}", literal(line))?;
        }
        writeln!(out, ".fi")?;
    }
    if page.get_name() == "tmo" {
        writeln!(out, ".SH EXIT STATUS")?;
        for (code, meaning) in EXIT_CODES {
            writeln!(out, ".TP\n{code}\n{}", literal(meaning))?;
        }
    }
    man.render_version_section(out)
}

pub(in crate::cli) fn manual(args: &ManArgs) -> Result<u8, CliError> {
    if let Some(dir) = &args.dir {
        write_all(dir).map_err(CliError::io(dir.display()))?;
        return Ok(0);
    }
    match write(args.verb.as_deref(), &mut io::stdout()) {
        Ok(true) => Ok(0),
        Ok(false) => {
            let verb = args.verb.clone().unwrap_or_default();
            Err(CliError::Other(format!("there is no command `{verb}`; `tmo` lists them")))
        }
        Err(error) => output::written(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{command, write};

    fn page(verb: Option<&str>) -> String {
        let mut out = Vec::new();
        assert!(write(verb, &mut out).unwrap(), "no page about {verb:?}");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_verb_has_a_page_with_all_its_flags() {
        let overview = page(None);
        for verb in command().get_subcommands() {
            let name = verb.get_name();
            assert_eq!(
                overview.contains(&format!("tmo\\-{name}(1)")),
                !verb.is_hide_set(),
                "`tmo {name}` is not in tmo(1)"
            );
            let text = page(Some(name));
            assert!(text.contains(&format!("tmo\\-{name}")), "{text}");
            let shown = verb.get_arguments().filter(|arg| !arg.is_hide_set());
            for flag in shown.filter_map(clap::Arg::get_long) {
                let flag = flag.replace('-', "\\-");
                assert!(
                    text.contains(&format!("\\-\\-{flag}")),
                    "`tmo {name} --{flag}` is missing"
                );
            }
        }
    }

    #[test]
    fn the_overview_tells_every_exit_code() {
        let overview = page(None);
        for (code, _) in super::EXIT_CODES {
            assert!(overview.contains(&format!(".TP\n{code}\n")), "{code}");
        }
        assert!(!page(Some("ps")).contains("EXIT STATUS"));
    }

    #[test]
    fn an_alias_leads_to_the_page_and_nonsense_to_none() {
        assert_eq!(page(Some("status")), page(Some("ps")));
        assert!(!write(Some("nosuch"), &mut Vec::new()).unwrap());
    }
}
