use super::super::ask::Asker;
use super::*;

const NOW: Millis = 1_000_000;

/// Namespaces of one owner, five at most.
fn ask(request: &str, name: &str, used: &[&str]) -> Ask {
    let one = |name: &str| format!(r#"{{"apiVersion":"v1","kind":"Namespace","name":"{name}","uid":"uid-{name}"}}"#);
    let used: Vec<String> =
        used.iter().map(|name| format!(r#"{{"object":{},"amounts":{{"namespaces":"1"}}}}"#, one(name))).collect();
    let args = format!(
        r#"{{"key":"jane","object":{},"amounts":{{"namespaces":"1"}},"limits":{{"namespaces":"2"}},"used":[{}]}}"#,
        one(name),
        used.join(",")
    );
    Ask::reserve(&args, &Asker { request, books: true }).unwrap()
}

/// A volume that grows to `size`, of which there is `seen` now.
fn grow(request: &str, size: &str, seen: &str) -> Ask {
    let volume = r#"{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"a","name":"v","uid":"1"}"#;
    let args = format!(
        r#"{{"key":"jane","object":{volume},"amounts":{{"storage":"{size}"}},"limits":{{"storage":"10Gi"}},
            "used":[{{"object":{volume},"amounts":{{"storage":"{seen}"}}}}]}}"#
    );
    Ask::reserve(&args, &Asker { request, books: true }).unwrap()
}

fn claim(request: &str, owner: &str, names: &[&str]) -> Ask {
    let names = serde_json::to_string(names).unwrap();
    let args = format!(
        r#"{{"key":"hosts","object":{{"kind":"Ingress","name":"{request}"}},"names":{names},"owner":"{owner}"}}"#
    );
    Ask::claim(&args, &Asker { request, books: true }).unwrap()
}

fn reserved(book: &mut Book, ask: &Ask) -> Reserved {
    match book.apply(ask, NOW).unwrap().answer {
        Answer::Reserved(answer) => answer,
        Answer::Claimed(_) => panic!(),
    }
}

fn conflicts(book: &mut Book, ask: &Ask) -> Vec<String> {
    match book.apply(ask, NOW).unwrap().answer {
        Answer::Claimed(answer) => answer.conflicts,
        Answer::Reserved(_) => panic!(),
    }
}

#[test]
fn what_is_reserved_is_not_there_for_others() {
    let mut book = Book::default();
    assert!(reserved(&mut book, &ask("1", "a", &[])).allowed);
    let second = reserved(&mut book, &ask("2", "b", &[]));
    assert_eq!((second.allowed, second.used["namespaces"], second.remaining["namespaces"]), (true, q("1"), q("1")));
    let third = reserved(&mut book, &ask("3", "c", &[]));
    assert_eq!((third.allowed, third.remaining["namespaces"]), (false, q("0")));
    assert_eq!(third.message, "exceeded quota: namespaces: requested 1, used 2, limited to 2");
    assert_eq!(book.reservations.len(), 2, "what is refused leaves nothing");
}

#[test]
fn a_request_that_asks_again_gets_the_same_answer() {
    let mut book = Book::default();
    let first = reserved(&mut book, &ask("1", "a", &[]));
    assert_eq!(reserved(&mut book, &ask("1", "a", &[])), first);
    assert!(!book.apply(&ask("1", "a", &[]), NOW).unwrap().is_changed);
    assert_eq!(book.reservations.len(), 1);
}

#[test]
fn a_reservation_whose_object_has_appeared_is_not_counted_twice() {
    let mut book = Book::default();
    assert!(reserved(&mut book, &ask("1", "a", &[])).allowed);
    let second = reserved(&mut book, &ask("2", "b", &["a"]));
    assert_eq!((second.allowed, second.used["namespaces"]), (true, q("1")));
    // Another replica may not have seen it yet: it counts there.
    assert!(!reserved(&mut book, &ask("3", "c", &[])).allowed);
    // In time it is dropped, and counts by itself.
    assert_eq!(book.prune(NOW + SEEN_FOR), 1);
    assert!(!reserved(&mut book, &ask("3", "c", &["a"])).allowed);
}

#[test]
fn what_never_leads_to_an_object_is_free_again_when_it_expires() {
    let mut book = Book::default();
    for name in ["a", "b"] {
        assert!(reserved(&mut book, &ask(name, name, &[])).allowed);
    }
    assert_eq!(book.prune(NOW + 59_999), 0);
    assert_eq!(book.prune(NOW + 60_000), 2);
    assert!(reserved(&mut book, &ask("c", "c", &[])).allowed);
}

#[test]
fn a_clock_that_went_ahead_keeps_nothing_for_good() {
    let mut book = Book::default();
    book.apply(&ask("1", "a", &[]), u64::MAX / 2).unwrap();
    book.prune(NOW);
    assert_eq!(book.prune(NOW + 3_600_000), 1);
}

#[test]
fn what_a_denied_request_held_is_given_back_under_that_key_alone() {
    let mut book = Book::default();
    reserved(&mut book, &ask("1", "a", &[]));
    conflicts(&mut book, &claim("1", "jane", &["a.example.com"]));
    let applied = book.apply(&Ask::release("jane", "1"), NOW).unwrap();
    assert!(applied.is_changed);
    assert_eq!(book.reservations.iter().map(|entry| &*entry.key).collect::<Vec<_>>(), ["hosts"]);
    assert!(!book.apply(&Ask::release("jane", "1"), NOW).unwrap().is_changed);
}

#[test]
fn an_update_counts_by_what_the_object_will_use_at_most() {
    let mut book = Book::default();
    assert!(reserved(&mut book, &grow("1", "5Gi", "1Gi")).allowed);
    // Another one of the same object, before the first is seen: 8, not 1 + 4 + 7.
    let second = reserved(&mut book, &grow("2", "8Gi", "1Gi"));
    assert_eq!((second.allowed, second.used["storage"]), (true, q("5Gi")));
    let third = reserved(&mut book, &grow("3", "11Gi", "1Gi"));
    assert_eq!(third.message, "exceeded quota: storage: requested 3Gi, used 8Gi, limited to 10Gi");
}

#[test]
fn an_update_that_needs_no_more_is_never_refused() {
    let mut book = Book::default();
    for (size, seen) in [("12Gi", "12Gi"), ("11Gi", "12Gi")] {
        let applied = book.apply(&grow("1", size, seen), NOW).unwrap();
        assert!(applied.answer.is_allowed() && !applied.is_changed, "{size} of {seen}");
    }
}

#[test]
fn what_is_reserved_for_one_attempt_stays_when_another_is_given_back() {
    let mut book = Book::default();
    reserved(&mut book, &grow("1", "6Gi", "1Gi"));
    reserved(&mut book, &grow("2", "6Gi", "1Gi"));
    book.apply(&Ask::release("jane", "1"), NOW).unwrap();
    assert_eq!(reserved(&mut book, &grow("3", "11Gi", "1Gi")).used["storage"], q("6Gi"));
}

#[test]
fn a_mere_question_leaves_nothing() {
    let mut book = Book::default();
    let applied = book.apply(&Ask { books: false, ..ask("1", "a", &[]) }, NOW).unwrap();
    assert!(applied.answer.is_allowed() && !applied.is_changed);
    assert_eq!(book, Book::default());
}

/// The status of the quota of one of two namespaces: from version `over` on it uses `wanted`; what is seen of both.
fn status(request: &str, of: &str, over: u64, wanted: u64, seen: [(u64, u64); 2]) -> Ask {
    let quota = |name: &str, version: u64| {
        format!(
            r#"{{"kind":"ResourceQuota","namespace":"{name}","name":"q","uid":"{name}","resourceVersion":"{version}"}}"#
        )
    };
    let used = |(name, (version, pods)): (&str, (u64, u64))| {
        format!(r#"{{"object":{},"amounts":{{"pods":"{pods}"}}}}"#, quota(name, version))
    };
    let used: Vec<String> = ["a", "b"].into_iter().zip(seen).map(used).collect();
    let args = format!(
        r#"{{"key":"jane","object":{},"over":"{over}","amounts":{{"pods":"{wanted}"}},"limits":{{"pods":"5"}},"used":[{}]}}"#,
        quota(of, over),
        used.join(",")
    );
    Ask::reserve(&args, &Asker { request, books: true }).unwrap()
}

#[test]
fn a_change_is_settled_for_who_sees_a_later_version() {
    let mut book = Book::default();
    assert!(reserved(&mut book, &status("1", "a", 5, 3, [(5, 2), (1, 1)])).allowed);
    // Not seen yet; then seen; then the object has given some of it back.
    for (seen, used) in [((5, 2), "4"), ((6, 3), "4"), ((7, 1), "2")] {
        let answer = reserved(&mut book, &Ask { books: false, ..status("2", "b", 1, 2, [seen, (1, 1)]) });
        assert_eq!(answer.used["pods"], q(used), "{seen:?}");
    }
}

#[test]
fn a_cache_that_lags_behind_excuses_nothing() {
    let mut book = Book::default();
    // The cache shows three where there is one: to have two now is to take one more, and has to be told to others.
    assert!(reserved(&mut book, &status("1", "a", 9, 2, [(5, 3), (1, 1)])).allowed);
    assert_eq!(book.reservations.len(), 1);
    assert!(!reserved(&mut book, &status("2", "b", 1, 4, [(9, 1), (1, 1)])).allowed);
    // And where others have taken it meanwhile, there is none.
    let mut book = Book::default();
    assert!(!reserved(&mut book, &status("3", "a", 9, 2, [(5, 3), (4, 4)])).allowed);
}

#[test]
fn of_two_changes_of_one_version_the_larger_counts() {
    let mut book = Book::default();
    assert!(reserved(&mut book, &status("1", "a", 5, 3, [(5, 1), (1, 1)])).allowed);
    assert!(reserved(&mut book, &status("2", "a", 5, 4, [(5, 1), (1, 1)])).allowed);
    // The next is asked for over what came of them.
    let next = reserved(&mut book, &status("3", "a", 6, 4, [(5, 1), (1, 1)]));
    assert_eq!((next.allowed, next.used["pods"]), (true, q("1")));
}

#[test]
fn a_name_is_one_owners_with_all_that_it_overlaps() {
    let mut book = Book::default();
    assert!(conflicts(&mut book, &claim("1", "jane", &["*.Shop.example", "bücher.example:8443"])).is_empty());
    for (name, told) in [
        ("a.shop.example", "a.shop.example"),
        ("A.SHOP.example.", "a.shop.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("*.example", "*.example"),
        ("", "*"),
    ] {
        assert_eq!(conflicts(&mut book, &claim("2", "joe", &["free.test", name])), [told]);
        assert!(conflicts(&mut book, &claim("3", "jane", &[name])).is_empty(), "it is her own");
        book.apply(&Ask::release("hosts", "3"), NOW).unwrap();
    }
    assert!(conflicts(&mut book, &claim("2", "joe", &["free.test", "shop.example"])).is_empty());
}

#[test]
fn a_book_is_bounded_by_entries_and_by_bytes() {
    let mut book = Book::default();
    let add = |book: &mut Book, name: &str, long: &str| {
        let args = format!(
            r#"{{"key":"k","object":{{"kind":"{long}","name":"{name}"}},"amounts":{{"a":"1"}},"limits":{{"a":"1e9"}}}}"#
        );
        book.apply(&Ask::reserve(&args, &Asker { request: name, books: true }).unwrap(), NOW).map(drop)
    };
    let many = |book: &mut Book, count: usize| {
        let one = book.reservations[0].clone();
        book.reservations.extend((1..count).map(|number| Entry { request: number.to_string(), ..one.clone() }));
    };
    add(&mut book, "first", "K").unwrap();
    many(&mut book, MOST_ENTRIES - 1);
    add(&mut book, "last", "K").unwrap();
    assert_eq!(add(&mut book, "more", "K"), Err(LedgerError::Full { entries: MOST_ENTRIES }));
    let (mut book, long) = (Book::default(), "K".repeat(1_000));
    add(&mut book, "first", &long).unwrap();
    many(&mut book, 900);
    assert_eq!(add(&mut book, "more", &long), Err(LedgerError::Full { entries: 900 }));
    assert!(serde_json::to_string(&book).unwrap().len() < 1_200_000);
}

fn q(text: &str) -> Quantity {
    text.parse().unwrap()
}
