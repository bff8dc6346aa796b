//! The simulated log passes the contract, with and without delays; and its faults are those that it
//! was asked for, the same for the same seed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::log::contract;

/// The log in the harness of the contract suites.
struct Harness {
    log: Simulated,
}

impl Harness {
    fn immediate() -> Self {
        Self { log: Simulated::new(1, Faults::none()) }
    }

    fn slow() -> Self {
        Self { log: Simulated::new(2, Faults::slow()) }
    }

    fn gaps() -> Self {
        Self { log: Simulated::new(3, Faults { gap: 500, unresolved: 500, ..Faults::slow() }) }
    }
}

impl contract::LogUnderTest for Harness {
    fn shard(&mut self, partitions: &[PartitionId]) -> Box<dyn ShardLog> {
        Box::new(self.log.shard(partitions))
    }

    fn intake(&mut self) -> Arc<dyn Intake> {
        self.log.intake()
    }

    fn settle(&mut self) {
        self.log.settle();
    }

    fn restart(&mut self) {
        self.log.crash();
    }
}

impl contract::LosesPower for Harness {
    fn hold_durable(&mut self, held: bool) {
        self.log.hold_durable(held);
    }

    fn power_loss(&mut self, kept: u32) {
        let writes = self.log.undurable();
        self.log.power_loss_keeping(writes * kept as usize / 1000);
        self.log.hold_durable(false);
    }
}

impl contract::Retains for Harness {
    fn trim(&mut self) {
        self.log.trim();
    }
}

impl contract::Fails for Harness {
    fn next(&mut self, fate: contract::Fate) {
        self.log.next(match fate {
            contract::Fate::Written => Fate::Written,
            contract::Fate::Refused => Fate::Refused,
            contract::Fate::Aborted => Fate::Aborted,
            contract::Fate::Doubted { happened } => Fate::Doubted { happened },
        });
    }

    fn hold_written(&mut self, held: bool) {
        self.log.hold_written(held);
    }
}

impl contract::Moves for Harness {
    fn revoke(&mut self, partition: PartitionId, to: usize) {
        assert!(self.log.revoke(partition, to));
    }

    fn lose(&mut self, partition: PartitionId, to: usize) {
        assert!(self.log.lose(partition, to));
    }

    fn fence(&mut self, shard: usize) {
        self.log.fence(shard);
    }
}

macro_rules! contract_of {
    ($($name:ident)*) => {$(
        mod $name {
            use super::Harness;

            crate::log_contract!(every_log: Harness::$name);
            crate::log_contract!(durability: Harness::$name);
            crate::log_contract!(retention: Harness::$name);
            crate::log_contract!(failure: Harness::$name);
            crate::log_contract!(ownership: Harness::$name);
        }
    )*};
}

contract_of!(immediate slow gaps);
