//! What we rely on in actix, as executable documentation: an upgrade that changes it fails here first.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use orchestrator::testing::{Probe, probe, quiet};

use crate::secs;

#[derive(Message)]
#[rtype(result = "()")]
struct Ping;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

#[derive(Message)]
#[rtype(result = "()")]
struct Hold(Addr<Echo>);

/// Sends its final word from `stopped`, as our nodes do.
struct Echo {
    pings: Recipient<Ping>,
    ended: Recipient<Ping>,
    stopped: Rc<Cell<u32>>,
    holds: Vec<Addr<Echo>>,
}

impl Actor for Echo {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        self.stopped.set(self.stopped.get() + 1);
        self.ended.do_send(Ping);
    }
}

impl Handler<Ping> for Echo {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {
        self.pings.do_send(Ping);
    }
}

impl Handler<Panic> for Echo {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Self::Context) {
        panic!("as asked");
    }
}

impl Handler<Hold> for Echo {
    type Result = ();

    fn handle(&mut self, message: Hold, _: &mut Self::Context) {
        self.holds.push(message.0);
    }
}

struct Stage {
    echo: Addr<Echo>,
    pings: Probe<Ping>,
    ended: Probe<Ping>,
    stopped: Rc<Cell<u32>>,
}

fn stage() -> Stage {
    let (pings, ended, stopped) = (probe(), probe(), Rc::new(Cell::new(0)));
    let echo =
        Echo { pings: pings.recipient(), ended: ended.recipient(), stopped: Rc::clone(&stopped), holds: Vec::new() };
    Stage { echo: echo.start(), pings, ended, stopped }
}

#[actix::test]
async fn p2_and_p15_stopped_runs_once_while_a_panic_unwinds_and_its_message_arrives() {
    tokio::time::pause();
    let mut stage = stage();
    assert!(matches!(stage.echo.send(Panic).await, Err(MailboxError::Closed)));
    stage.ended.next().await;
    assert_eq!(stage.stopped.get(), 1);
    assert!(!stage.echo.connected());
}

#[actix::test]
async fn p5_do_send_ignores_capacity_and_says_nothing_when_the_actor_is_gone() {
    tokio::time::pause();
    let mut stage = stage();
    for _ in 0..1_000 {
        stage.echo.do_send(Ping);
    }
    assert_eq!(stage.pings.drain().await.len(), 1_000);
    stage.echo.do_send(Panic);
    quiet().await;
    stage.echo.do_send(Ping);
    assert!(stage.pings.drain().await.is_empty());
}

#[actix::test]
async fn p4_try_send_is_full_after_sixteen() {
    tokio::time::pause();
    let stage = stage();
    let accepted = (0..100).take_while(|_| stage.echo.try_send(Ping).is_ok()).count();
    assert_eq!(accepted, 16, "the default capacity");
}

#[actix::test]
async fn p6_a_dropped_send_is_a_cancelled_message() {
    tokio::time::pause();
    let mut stage = stage();
    let mut send = Box::pin(stage.echo.send(Ping));
    assert!(futures::poll!(&mut send).is_pending());
    drop(send);
    assert!(stage.pings.drain().await.is_empty());
}

#[actix::test]
async fn p7_messages_behind_the_one_that_stops_are_dropped() {
    tokio::time::pause();
    let mut stage = stage();
    stage.echo.do_send(Panic);
    stage.echo.do_send(Ping);
    assert!(stage.pings.drain().await.is_empty());
}

#[actix::test]
async fn p8_two_actors_that_hold_each_other_never_stop_and_a_chain_does() {
    tokio::time::pause();
    let (one, two, three) = (stage(), stage(), stage());
    one.echo.do_send(Hold(two.echo.clone()));
    two.echo.do_send(Hold(three.echo.clone()));
    quiet().await;
    let counts = [Rc::clone(&one.stopped), Rc::clone(&two.stopped), Rc::clone(&three.stopped)];
    drop((one.echo, two.echo, three.echo));
    quiet().await;
    assert_eq!(counts.map(|count| count.get()), [1, 1, 1]);

    let (left, right) = (stage(), stage());
    left.echo.do_send(Hold(right.echo.clone()));
    right.echo.do_send(Hold(left.echo.clone()));
    quiet().await;
    let counts = [Rc::clone(&left.stopped), Rc::clone(&right.stopped)];
    drop((left.echo, right.echo));
    quiet().await;
    assert_eq!(counts.map(|count| count.get()), [0, 0]);
}

/// Counts its own ticks.
struct Clock(Rc<Cell<u32>>);

impl Actor for Clock {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(secs(1), |clock, _| clock.0.set(clock.0.get() + 1));
    }
}

#[actix::test]
async fn p9_and_p11_an_interval_follows_the_paused_clock_and_keeps_its_actor_alive() {
    tokio::time::pause();
    let ticks = Rc::new(Cell::new(0));
    drop(Clock(Rc::clone(&ticks)).start());
    actix::clock::sleep(secs(3_600)).await;
    assert!((3_595..=3_600).contains(&ticks.get()), "{} ticks in a virtual hour", ticks.get());
}

#[actix::test]
async fn p12_a_weak_recipient_does_not_keep_its_actor_alive() {
    tokio::time::pause();
    let stage = stage();
    let weak: actix::WeakRecipient<Ping> = stage.echo.downgrade().recipient();
    assert!(weak.upgrade().is_some());
    drop(stage.echo);
    quiet().await;
    assert!(weak.upgrade().is_none());
    assert_eq!(stage.stopped.get(), 1);
}

/// Tells how its end came about.
struct Witness(std::sync::mpsc::Sender<bool>);

impl Actor for Witness {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        self.0.send(std::thread::panicking()).ok();
    }
}

#[test]
fn p15_stopped_runs_when_the_system_ends_and_nothing_unwinds_then() {
    let (tell, heard) = std::sync::mpsc::channel();
    let address = actix::System::new().block_on(async move {
        let address = Witness(tell).start();
        actix::clock::sleep(Duration::from_millis(5)).await;
        address
    });
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [false]);
    assert!(!address.connected());
}

/// Spawns itself more work from its own handler, then counts how often somebody else had a turn.
struct Selfish {
    left: u32,
    rounds: Rc<Cell<u32>>,
}

impl Actor for Selfish {
    type Context = Context<Self>;
}

impl Handler<Ping> for Selfish {
    type Result = ();

    fn handle(&mut self, _: Ping, ctx: &mut Self::Context) {
        self.rounds.set(self.rounds.get() + 1);
        self.left -= 1;
        if self.left > 0 {
            ctx.notify(Ping);
        }
    }
}

#[actix::test]
async fn an_actor_that_notifies_itself_lets_nobody_else_in_between() {
    tokio::time::pause();
    let rounds = Rc::new(Cell::new(0));
    let selfish = Selfish { left: 1_000, rounds: Rc::clone(&rounds) }.start();
    selfish.do_send(Ping);
    while rounds.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rounds.get(), 1_000, "all in one turn");
}

#[actix::test]
async fn p19_send_does_not_wait_for_room() {
    tokio::time::pause();
    let mut stage = stage();
    let mut sends: Vec<_> = (0..50).map(|_| Box::pin(stage.echo.send(Ping))).collect();
    for send in &mut sends {
        assert!(futures::poll!(send).is_pending());
    }
    assert_eq!(stage.pings.drain().await.len(), 50);
}
