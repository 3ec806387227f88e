//! The face of the command line: help with an example for each command, and bad flags with code 2.

use super::command::{Ended, bylaw};

/// Every command, and what an example of it begins with.
const COMMANDS: [(&str, &str); 20] = [
    ("serve", "bylaw serve -p policies"),
    ("review", "bylaw review -p policies"),
    ("test", "bylaw test -p policies"),
    ("scan", "bylaw scan -p policies"),
    ("lint", "bylaw lint -p policies"),
    ("bench", "bylaw bench -p policies"),
    ("bundle", "bylaw bundle policies -o "),
    ("bundle inspect", "bylaw bundle inspect bundle.js"),
    ("bundle verify", "bylaw bundle verify bundle.js"),
    ("migrate", "bylaw migrate jspolicy "),
    ("migrate jspolicy", "bylaw migrate jspolicy "),
    ("webhook", "bylaw webhook -p policies"),
    ("crd", "bylaw crd | kubectl apply"),
    ("init", "bylaw init "),
    ("types", "bylaw types --crd "),
    ("vcluster", "bylaw vcluster list"),
    ("vcluster list", "bylaw vcluster list"),
    ("vcluster register", "bylaw vcluster register"),
    ("vcluster values", "bylaw vcluster values"),
    ("vcluster inspect", "bylaw vcluster inspect"),
];

/// The help of a command.
fn help(command: &str) -> Ended {
    bylaw(&[&command.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat())
}

/// The commands that a help lists, `help` itself left out.
fn listed(help: &str) -> Vec<&str> {
    let after = help.split_once("\nCommands:\n").map(|(_, after)| after).unwrap_or_default();
    let lines = after.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").collect()
}

#[test]
fn the_program_lists_its_commands_and_each_is_tried_here() {
    let ended = bylaw(&["--help"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let known: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    assert_eq!(listed(&ended.out), known.iter().copied().filter(|known| !known.contains(' ')).collect::<Vec<_>>());
    for command in listed(&ended.out) {
        let inner = help(command).out;
        for inner in listed(&inner) {
            assert!(known.contains(&format!("{command} {inner}").as_str()), "{command} {inner} is not among {known:?}");
        }
    }
    // Without a command there is nothing to do, and that is a mistake.
    let bare = bylaw(&[]);
    assert_eq!((bare.code, bare.out.as_str(), bare.err.as_str()), (Some(2), "", ended.out.as_str()));
}

#[test]
fn every_command_has_help_with_an_example() {
    for (command, example) in COMMANDS {
        let ended = help(command);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{command}");
        assert!(ended.out.contains("Example") && ended.out.contains(example), "{command}: {}", ended.out);
        assert_eq!(bylaw(&[&["help"], &command.split(' ').collect::<Vec<_>>()[..]].concat()).out, ended.out);
        insta::assert_snapshot!(format!("{}-help", command.replace(' ', "-")), ended.out);
    }
}

#[test]
fn help_has_no_colours_where_nobody_looks() {
    for (command, _) in COMMANDS {
        assert!(!help(command).out.contains('\u{1b}'));
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    for flag in ["--version", "-V"] {
        let ended = bylaw(&[flag]);
        assert_eq!(ended.code, Some(0));
        // What comes after it is compared with the metric of the same in `metrics`.
        let start = concat!("bylaw ", env!("CARGO_PKG_VERSION"), " (V8 ");
        assert!(ended.out.starts_with(start), "{}", ended.out);
    }
}

#[test]
fn bad_flags_and_values_are_2_and_named() {
    for (arguments, named) in [
        (&["serv"][..], "serv"),
        (&["serve", "--policy", "x"], "--policy"),
        (&["serve", "-p", "x", "--listen", "8443"], "8443"),
        (&["serve", "-p", "x", "--compat", "kyverno"], "kyverno"),
        (&["serve", "-p", "x", "--drain-delay", "soon"], "soon"),
        (&["review", "--object", "x"], "--policies"),
        (&["review", "-p", "x"], "--request"),
        (&["review", "-p", "x", "--request", "a", "--object", "b"], "--object"),
        (&["review", "-p", "x", "--object", "b", "--operation", "PATCH"], "CREATE, UPDATE, DELETE, CONNECT"),
        (&["review", "-p", "x", "--object", "b", "--namespace-labels", "tier"], "KEY=VALUE"),
        (&["review", "-p", "x", "--object", "b", "-o", "xml"], "xml"),
        (&["test"], "--policies"),
        (&["test", "-p", "x", "-o", "yaml"], "yaml"),
        (&["test", "-p", "x", "--watch", "--coverage"], "--coverage"),
        (&["test", "-p", "x", "--inspect=nowhere:1"], "HOST:PORT"),
        (&["bench", "-p", "x"], "--request"),
        (&["bench", "-p", "x", "--object", "b", "--runs", "0"], "--runs"),
        (&["webhook", "-p", "x"], "--url"),
        (&["webhook", "-p", "x", "--url", "https://a", "--service", "b/c"], "--service"),
    ] {
        let ended = bylaw(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.err.starts_with("error: ") && ended.err.contains(named), "{arguments:?}: {}", ended.err);
    }
}
