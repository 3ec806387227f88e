//! The face of the command line: help with an example for each command, and bad flags with code 2.

use super::command::bylaw;

const COMMANDS: [&str; 6] = ["serve", "review", "test", "scan", "bench", "webhook"];

#[test]
fn the_program_lists_its_commands() {
    let ended = bylaw(&["--help"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    for command in COMMANDS {
        assert!(ended.out.contains(&format!("  {command} ")), "{command} is not in {}", ended.out);
    }
    // Without a command there is nothing to do, and that is a mistake.
    let bare = bylaw(&[]);
    assert_eq!((bare.code, bare.out.as_str(), bare.err.as_str()), (Some(2), "", ended.out.as_str()));
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in COMMANDS {
        let ended = bylaw(&[command, "--help"]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{command}");
        assert!(
            ended.out.contains("Example") && ended.out.contains(&format!("bylaw {command} -p policies")),
            "{}",
            ended.out
        );
        assert_eq!(bylaw(&["help", command]).out, ended.out);
        insta::assert_snapshot!(format!("{command}-help"), ended.out);
    }
}

#[test]
fn help_has_no_colours_where_nobody_looks() {
    for command in COMMANDS {
        assert!(!bylaw(&[command, "--help"]).out.contains('\u{1b}'));
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ended = bylaw(&["--version"]);
    assert_eq!((ended.code, ended.out.trim()), (Some(0), concat!("bylaw ", env!("CARGO_PKG_VERSION"))));
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
