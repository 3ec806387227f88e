use super::*;

const SOON: Duration = Duration::from_secs(1);

fn key(name: &str) -> Key {
    Key { kind: Kind::parse("v1/ConfigMap").unwrap(), namespace: "shop".into(), name: name.into() }
}

fn queue() -> Queue {
    Queue::new(Arc::new(Room::new(1 << 20)))
}

fn names(queue: &mut Queue, now: Instant) -> Vec<String> {
    std::iter::from_fn(|| queue.take(now).map(|(key, _)| key.name.to_string())).collect()
}

#[test]
fn an_object_waits_once_however_often_it_changes() {
    let (mut queue, now) = (queue(), Instant::now());
    for name in ["a", "b", "a", "a"] {
        assert!(queue.add(key(name), None, true));
    }
    assert_eq!(queue.waiting(), 2);
    assert_eq!(names(&mut queue, now), ["a", "b"]);
}

#[test]
fn one_that_changes_while_it_is_looked_at_is_looked_at_again_and_not_beside() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.add(key("a"), None, true);
    queue.take(now).unwrap();
    queue.add(key("a"), None, true);
    assert_eq!(queue.take(now), None);
    queue.done(&key("a"), Next::Never, now);
    assert!(queue.take(now).unwrap().1.is_change);
    queue.done(&key("a"), Next::Never, now);
    assert_eq!((queue.take(now), queue.waiting() == 0), (None, true));
}

#[test]
fn what_failed_waits_longer_each_time_until_it_is_good() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.add(key("a"), None, true);
    for attempts in 0..3 {
        let (taken, known) = queue.take(now + SOON * attempts).unwrap();
        assert_eq!(known.attempts, attempts);
        queue.done(&taken, Next::Again(SOON), now + SOON * attempts);
        assert_eq!(queue.take(now + SOON * attempts), None);
        assert_eq!(queue.due(), Some(now + SOON * (attempts + 1)));
    }
    let (taken, _) = queue.take(now + SOON * 3).unwrap();
    queue.done(&taken, Next::Anew(SOON), now);
    assert_eq!(queue.take(now + SOON).unwrap().1.attempts, 0);
    let waits = [0, 1, 2, 10, 40].map(|attempts| back_off(attempts, SOON, SOON * 100).as_secs());
    assert_eq!(waits, [1, 2, 4, 100, 100]);
}

#[test]
fn a_change_ends_the_wait_of_one_that_failed() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.add(key("a"), None, true);
    queue.take(now).unwrap();
    queue.done(&key("a"), Next::Again(SOON), now);
    queue.add(key("a"), None, true);
    assert_eq!(queue.take(now).unwrap().1, Known { last: None, attempts: 1, is_change: true });
    assert_eq!(queue.due(), None);
}

#[test]
fn one_that_is_gone_is_handed_out_as_it_last_was_also_when_it_is_tried_again() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.add(key("a"), Some("{}".into()), true);
    for _ in 0..2 {
        let (taken, known) = queue.take(now).unwrap();
        assert_eq!(known.last.as_deref(), Some("{}"));
        queue.done(&taken, Next::Again(Duration::ZERO), now);
    }
    queue.add(key("a"), None, true);
    assert_eq!(queue.take(now).unwrap().1.last, None, "it is there again");
}

#[test]
fn what_nothing_changed_about_is_asked_for_by_the_clock() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.add(key("a"), None, false);
    assert!(!queue.take(now).unwrap().1.is_change);
    queue.add(key("a"), None, true);
    queue.done(&key("a"), Next::Never, now);
    assert!(queue.take(now).unwrap().1.is_change);
}

#[test]
fn nothing_is_kept_beyond_the_room_and_all_of_it_is_given_back() {
    let room = Arc::new(Room::new(1_000));
    let (mut queue, now) = (Queue::new(Arc::clone(&room)), Instant::now());
    assert!(queue.add(key("large"), Some("x".repeat(2_000).into()), true), "without its last state it fits");
    let added = (0..10).filter(|name| queue.add(key(&name.to_string()), None, true)).count();
    assert_eq!(added, 2);
    assert!(!queue.take_missed(), "not before there is room again");
    assert_eq!(queue.take(now).unwrap().1.last, None);
    queue.done(&key("large"), Next::Never, now);
    for (name, _) in [queue.take(now).unwrap(), queue.take(now).unwrap()] {
        queue.done(&name, Next::Again(SOON), now);
    }
    assert!(queue.take_missed() && !queue.take_missed());
    assert!(room.used() > 0);
    drop(queue);
    assert_eq!(room.used(), 0);
}
