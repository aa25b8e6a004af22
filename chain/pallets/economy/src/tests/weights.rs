//! What calls and steps touch, and how long they take: see [`phat_weighing`], and
//! [`pallet_phat_messages::weights`] for the command that prints the times.

use crate::{Call, Cause, MAX_PREFERENCES, Settings, mock::*, store::Records as Store, weights};
use phat_economy::{Era, Phase};
use phat_weighing::Figures;
use polkadot_sdk::frame_support::traits::fungible::Mutate;

/// Workers of [`crowd`].
const CROWD: u8 = 200;

/// Many workers, of whom some have nothing left, some have not answered and some leave; and clusters that
/// name as many as they may.
fn crowd() {
    for number in 1..CROWD {
        Balances::mint_into(&account(1 + number / 10), 1_000_000).unwrap();
    }
    workers(1..CROWD);
    start();
    for number in 2..5u64 {
        create(2, &[]).unwrap();
        Economy::stake(signed(3), cluster(number), 1_000 * u128::from(number)).unwrap();
        let names = (0..MAX_PREFERENCES as u8)
            .map(|name| worker(name + 1))
            .collect();
        Economy::set_preferences(signed(2), cluster(number), names).unwrap();
    }
    for number in 1..CROWD {
        settle_in(number);
    }
    next_era();
    for number in 1..CROWD {
        match number % 7 {
            0 => Economy::slash_worker(root(), worker(number), 100_000).unwrap(),
            1 => Economy::leave(signed(1 + number / 10), worker(number)).unwrap(),
            2 => register(number, 300, 9),
            3 => {}
            _ => drop(heartbeat(number)),
        }
    }
}

fn steps(figures: &mut Figures) {
    crowd();
    let mut era = Era::begin(Settings::default().parameters).unwrap();
    crate::LastEra::<Test>::mutate(|era| *era += 1);
    let mut store = Store::<Test>::of_last_era();
    while !era.is_complete() {
        let name = match era.phase() {
            Phase::Clear { .. } => "step: clear",
            Phase::Workers { .. } => "step: workers",
            Phase::Clusters { .. } => "step: clusters",
            Phase::Names { .. } => "step: names",
            Phase::Tail { .. } => "step: tail",
            Phase::Values { .. } => "step: values",
            Phase::Complete => "step: complete",
        };
        let step = weights::step::<Test>(era.phase());
        let (_, touched) = figures.observe(|| era.step(&mut store).unwrap());
        let (name, weight) = match store.have_ended_one() {
            true => (
                "step: workers, an end",
                step + weights::ending(Records::get()),
            ),
            false => (name, step),
        };
        figures.note(name, weight, touched);
    }
}

fn calls(figures: &mut Figures) {
    crowd();
    ordered();
    let mut run = |origin: RuntimeOrigin, call: Call<Test>| figures.call("", origin, call);
    let (id, five) = (worker(5), signed(1));
    run(
        root(),
        Call::set_settings {
            settings: settings(),
        },
    );
    run(
        root(),
        Call::set_general_cluster {
            cluster: cluster(1),
        },
    );
    run(
        root(),
        Call::set_treasury {
            treasury: account(5),
        },
    );
    run(root(), Call::fund_rewards { amount: 1_000 });
    run(
        root(),
        Call::slash_worker {
            worker: id,
            amount: 1,
        },
    );
    run(
        five.clone(),
        Call::payout {
            worker: id,
            amount: Some(3),
        },
    );
    lapse(5);
    renew(5);
    crate::Workers::<Test>::mutate(id, |known| {
        known.as_mut().unwrap().status = crate::WorkerStatus::Suspended(Cause::Missed);
    });
    run(five.clone(), Call::resume { worker: id });
    run(five.clone(), Call::leave { worker: id });
    for _ in 0..4 {
        next_era();
    }
    run(signed(4), Call::settle { worker: id });
    let deposit = 500;
    run(
        five,
        Call::activate {
            worker: id,
            deposit,
        },
    );
    let cluster = cluster(2);
    run(
        signed(4),
        Call::stake {
            cluster,
            amount: 500,
        },
    );
    run(
        signed(4),
        Call::unstake {
            cluster,
            amount: 100,
        },
    );
    for _ in 0..4 {
        next_era();
    }
    run(signed(4), Call::withdraw {});
    run(
        signed(2),
        Call::set_cap {
            cluster,
            cap: Some(5),
        },
    );
    let workers = (0..MAX_PREFERENCES as u8)
        .map(|name| worker(name + 1))
        .collect();
    run(signed(2), Call::set_preferences { cluster, workers });
    run(root(), Call::stop_eras {});
    run(root(), Call::start_eras {});
}

fn hooks(figures: &mut Figures) {
    crowd();
    ordered();
    let weight = weights::fail(Records::get());
    let number = (1..CROWD).find(|number| number % 7 == 4).unwrap();
    figures.check("heard", weight, || Economy::hear(&worker(number)));
    figures.check("lapsed", weight, || {
        <Economy as pallet_phat_registry::OnService>::lapsed(&worker(number)).unwrap();
    });
    let slashed = crate::Settings {
        slashes: crate::Slashes {
            missed: 1 << 40,
            lapsed: 1 << 40,
            diverged: 1 << 40,
        },
        ..settings()
    };
    Economy::set_settings(root(), slashed).unwrap();
    figures.check("lapsed, with nothing left", weight, || {
        <Economy as pallet_phat_registry::OnService>::lapsed(&worker(number + 7)).unwrap();
    });
    // All members of the general cluster are looked at: nobody has its state but the one who goes.
    let general = cluster(1);
    let weight = weights::relocate(Records::get());
    let members = pallet_phat_clusters::ClusterWorkers::<Test>::get(general);
    let (first, others) = members.split_first().unwrap();
    for other in others {
        pallet_phat_clusters::WorkerStates::<Test>::remove(other);
    }
    figures.check("relocate", weight, || {
        Clusters::can_spare(&general, first);
        Clusters::relocate(first, Some(cluster(2))).unwrap();
    });
}

#[test]
fn no_step_of_an_era_touches_more_than_its_weight_allows() {
    let mut figures = Figures::new(Records::get());
    chain().execute_with(|| steps(&mut figures));
    let (read, written) = figures.touched("step: names").unwrap();
    assert!(read > 0 && written > 0, "nothing was counted");
}

#[test]
fn no_call_touches_more_than_its_weight_allows_and_none_is_left_out() {
    let mut figures = Figures::new(Records::get());
    chain().execute_with(|| calls(&mut figures));
    assert_eq!(figures.left_out::<Call<Test>>(), [""; 0]);
}

#[test]
fn no_hook_and_no_move_touches_more_than_its_weight_allows() {
    chain().execute_with(|| hooks(&mut Figures::new(Records::get())));
}

#[test]
#[ignore = "takes the time: for whoever sets the constants"]
fn figures() {
    Figures::report("PhatEconomy", Records::get(), |figures| {
        for body in [steps, calls, hooks] {
            chain().execute_with(|| body(figures));
        }
    });
}
