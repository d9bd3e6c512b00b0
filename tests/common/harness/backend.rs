//! Over which terminals a test runs: `TMO_TEST_BACKEND=native` runs it over tmo's own, without tmux.

/// The tests that always run over tmux, by the beginning of their names, and what they are about.
const ONLY_TMUX: &[(&str, &str)] = &[
    ("tmux::", "tmux itself"),
    ("api::every_endpoint_answers", "golden files, which name tmux"),
    ("component_failures::a_pane_piped_elsewhere_by_hand", "pipe-pane"),
    (
        "component_failures::output_of_a_slow_sink_is_in_the_log_before_the_exit_when_tmux",
        "the tmux server",
    ),
    ("connect::a_client_switched_to_another_session", "a tmux client"),
    ("connect::a_suspended_client", "a key of tmux"),
    ("connect::clients_that_end_abruptly_leave_no_tmux_session", "tmux sessions"),
    ("connect::connect_in_a_pane_of_the_run", "a tmux client inside a pane"),
    ("connect::connect_in_a_terminal_that_tmux_cannot_use", "the refusal of tmux"),
    ("connect::connect_inside_another_tmux", "keys of two tmux"),
    ("connect::connect_shows_how_to_send_a_prefix_shared", "keys of two tmux"),
    ("connect::connect_shows_its_own_status_line", "tmux's status line"),
    ("connect::connect_to_a_tmux_that_has_just_ended", "the tmux server"),
    ("connect::the_users_own_status_line_stays", "tmux's status line"),
    ("doctor::doctor_reports_a_tmux", "the tmux server"),
    ("doctor::doctor_names_the_tmux_configuration", "tmux's configuration"),
    ("env_files::tmux_comes_from", "the search for tmux"),
    ("project_files::a_tmux_configuration", "tmux's configuration"),
    ("start_settings::print_config_reports_a_missing_tmux", "tmux's configuration"),
    ("untrusted_project::inspecting_commands_run_no_program", "the search for tmux"),
    ("untrusted_project::relative_entries_of_the_callers_path", "the search for tmux"),
    ("env_files::tmux_windows", "tmux's environment"),
    ("hostile_processes::a_users_window", "windows that a user opens"),
    ("interrupted_start::a_tmux_server", "the tmux server"),
    (
        "interrupted_start::a_run_survives_a_kill_of_its_supervisor_during_a_tmux_call",
        "calls of tmux",
    ),
    ("kill_and_cleanup::kill_removes_the_socket_of_a_tmux_server", "the tmux server"),
    ("kill_and_cleanup::quit_ends_a_run_whose_tmux_server_is_stopped", "the tmux server"),
    ("overmind::connect_print", "a tmux command"),
    ("send::a_client_killed_while_sending_leaves_no_tmux_buffer", "tmux buffers"),
    ("send::a_tmux_buffer", "tmux buffers"),
    ("supervision::a_kill_of_tmux", "the tmux server"),
    ("takeover::a_killed_shim_is_replaced_once_during_takeovers", "calls of tmux"),
    ("untrusted_project::a_start_runs_no_tmux_of_the_project", "the search for tmux"),
    ("web_terminals::after_abrupt_ends_of_pages_no_tmux_session_is_left", "tmux sessions"),
    ("web_terminals::keys_after_the_wheel", "copy mode of tmux"),
];

/// The backend of this test, if it is chosen.
pub(super) fn chosen() -> Option<String> {
    let backend = std::env::var("TMO_TEST_BACKEND").ok()?;
    let test = std::thread::current();
    let test = test.name().unwrap_or_default();
    let needs_tmux = ONLY_TMUX.iter().any(|(name, _)| test.starts_with(name));
    Some(if needs_tmux { "tmux".to_owned() } else { backend })
}
