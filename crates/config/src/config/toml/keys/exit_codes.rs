//! `success_exit_codes` and `soft_exit_codes`: exit codes that mean success, and failures that don't count.

use ::toml::de::DeValue;

use super::{
    At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Table, Type, json, key,
    value,
};
use crate::config::toml::validate::number;

const CODES: Type = Type::List(&Type::Number(0, 255));

fn codes(value: &DeValue<'_>) -> Option<Vec<u8>> {
    value.as_array()?.iter().map(|item| u8::try_from(number(item.get_ref())?).ok()).collect()
}

pub struct Success;

impl ProcessKey for Success {
    type Said = At<Vec<u8>>;
    const KEYS: &'static [Key] =
        &[key("success_exit_codes", CODES, "Exit codes that mean success, besides 0.").or("[]")];
    const PLANNED: Planned = Some(|process| json!(process.rules.success_codes));

    fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
        view.of("success_exit_codes", codes)
    }

    fn size(said: &Self::Said) -> usize {
        said.as_ref().map_or(0, |codes| codes.get_ref().len())
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.success_codes = value(said).unwrap_or_default();
    }
}

pub struct Soft;

impl ProcessKey for Soft {
    type Said = At<Vec<u8>>;
    const KEYS: &'static [Key] = &[key(
        "soft_exit_codes",
        CODES,
        "Exit codes of failures that do not count towards `max_failures`.",
    )
    .or("[]")];
    const PLANNED: Planned = Some(|process| json!(process.rules.soft_codes));

    fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
        view.of("soft_exit_codes", codes)
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
        if let (Some(soft), Some(good)) = (&table.soft_exit_codes, &table.success_exit_codes)
            && let Some(code) = soft.get_ref().iter().find(|code| good.get_ref().contains(code))
        {
            let text = format!("{code} is in `success_exit_codes` too; it can't be both");
            mistakes.add(soft.span(), text);
        }
    }

    fn size(said: &Self::Said) -> usize {
        said.as_ref().map_or(0, |codes| codes.get_ref().len())
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.soft_codes = value(said).unwrap_or_default();
    }
}
