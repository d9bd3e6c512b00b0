//! `group` and `groups`: groups of processes, referred to as `@GROUP`.

use super::{
    Diagnostics, ITEM_BYTES, Key, Planned, ProcessKey, ProcessPlan, Spanned, TEXTS, Table, Type,
    json, key,
};

pub struct Groups;

impl ProcessKey for Groups {
    type Said = Vec<Spanned<String>>;
    const KEYS: &'static [Key] = &[
        key(
            "groups",
            TEXTS,
            "The groups that it belongs to. @GROUP stands for all processes of a group wherever a \
         command takes names.",
        )
        .or("[]"),
        key("group", Type::Text, "A group that it belongs to, in addition to `groups`."),
    ];
    const PLANNED: Planned = Some(|process| json!(process.rules.groups));

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let all: Vec<_> = view.text("group").into_iter().chain(view.texts("groups")).collect();
        let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        for group in &all {
            let name = group.get_ref();
            if name.is_empty() || !name.chars().all(word) {
                let text = "a group has a name of letters, digits, `_`, `-` and `.`";
                mistakes.add(group.span(), format!("\"{name}\": {text}"));
            }
        }
        all
    }

    fn size(said: &Self::Said) -> usize {
        said.iter().map(|group| group.get_ref().len() + ITEM_BYTES).sum()
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        let mut groups: Vec<String> = said.iter().map(|group| group.get_ref().clone()).collect();
        groups.sort();
        groups.dedup();
        process.rules.groups = groups;
    }
}
