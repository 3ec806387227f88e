use super::super::super::{Access, Registry};
use super::*;

fn one(namespace: &str, uid: &str, register: Register) -> Arc<VirtualCluster> {
    let access =
        Access { register, url: None, secret: "vc-dev".into(), generation: 1, uid: uid.into(), is_registered: false };
    let vcluster = VirtualCluster::new(namespace, "dev", None, "").unwrap();
    Arc::new(VirtualCluster { uid: uid.into(), access: Some(Arc::new(access)), ..vcluster })
}

fn registry(all: &[Arc<VirtualCluster>]) -> Registry {
    Registry::new([], all.iter().cloned(), [])
}

fn of(all: &[Arc<VirtualCluster>], now: Instant) -> Wanted {
    let mut wanted = Wanted::default();
    wanted.update(&registry(all), now);
    wanted
}

#[test]
fn those_that_fail_wait_for_each_other_and_ever_longer() {
    let now = Instant::now();
    let mut wanted = of(&[one("bad", "1", Register::Webhook), one("good", "2", Register::Webhook)], now);
    for _ in 0..2 {
        let (who, task, memory) = wanted.take(false, now).unwrap();
        let is_good = &*who.0 == "good";
        wanted.done(&who, task, memory, is_good, now);
    }
    assert!(wanted.take(false, now).is_none() && wanted.take(true, now).is_none(), "nobody is due");
    let (mut at, mut looks) = (now, 0);
    while at < now + Duration::from_hours(1) {
        match wanted.take(true, at) {
            Some((who, task, memory)) => {
                assert_eq!(&*who.0, "bad");
                wanted.done(&who, task, memory, false, at);
                looks += 1;
            }
            None => at += Duration::from_secs(1),
        }
    }
    assert!((10..25).contains(&looks), "{looks} looks in an hour");
    assert_eq!(&*wanted.take(false, now + AGAIN).unwrap().0.0, "good");
}

#[test]
fn what_is_not_to_be_registered_any_more_is_taken_away_and_forgotten() {
    let now = Instant::now();
    let mut wanted = of(&[one("a", "1", Register::Webhook)], now);
    wanted.update(&registry(&[one("a", "1", Register::Off)]), now);
    let (who, task, memory) = wanted.take(false, now).unwrap();
    assert_eq!(task, Task::TakeAway);
    wanted.done(&who, task, memory, true, now);
    assert!(wanted.next().is_none());
    let mut gone = of(&[one("a", "1", Register::Webhook)], now);
    gone.update(&registry(&[]), now);
    let mut at = now;
    for _ in 0..FAREWELLS {
        let (who, task, memory) = gone.take(at > now, at).unwrap();
        assert_eq!(task, Task::TakeAway);
        gone.done(&who, task, memory, false, at);
        at += LONGEST_RETRY;
    }
    assert!(gone.next().is_none(), "one that is dead is given up");
}

#[test]
fn one_that_never_was_registered_is_left_alone() {
    let now = Instant::now();
    assert!(of(&[one("a", "1", Register::Off), one("b", "2", Register::Static)], now).next().is_none());
}

#[test]
fn one_that_is_made_anew_is_remembered_by_nothing() {
    let now = Instant::now();
    let mut wanted = of(&[one("a", "1", Register::Webhook)], now);
    let (who, task, memory) = wanted.take(false, now).unwrap();
    wanted.update(&registry(&[one("a", "2", Register::Webhook)]), now);
    wanted.done(&who, task, memory, true, now);
    let (_, _, memory) = wanted.take(false, now).unwrap();
    assert_eq!(&*memory.vcluster.uid, "2");
}

#[test]
fn many_are_looked_at_less_often() {
    let now = Instant::now();
    let all: Vec<_> = (0..1_000).map(|at| one(&format!("n{at}"), "1", Register::Webhook)).collect();
    let mut wanted = of(&all, now);
    let (who, task, memory) = wanted.take(false, now).unwrap();
    wanted.done(&who, task, memory, true, now);
    let due = wanted.0.get(&who).unwrap().due;
    assert_eq!(due.duration_since(now), Duration::from_secs(50));
}
