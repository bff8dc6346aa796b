//! Fuel by item, so that the size of a batch does not change what fits.
//!
//! - Item i may use `fuel_per_item` + `fuel_per_byte` × its bytes; what it leaves is not handed on.
//! - Before the first item: one item's fuel, and an overhead for unpacking: so much per item, and
//!   per byte of the whole input. The same again after the last, for packing.
//! - `item(n)`, one past the last, says that all items are done: what follows is nobody's fault.
//!   A guest that does not say so packs within the last item.
//! - A guest that does not meter gets the sum of it all, and no culprit.

use crate::fault::Breach;
use crate::limits::Limits;

/// How far a call has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No item was begun.
    #[default]
    Before,
    /// Item so-and-so.
    Item(u32),
    /// All items are done.
    After,
}

/// The budget of the current call.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    metered: bool,
    fuel_per_item: u64,
    /// Fuel of each item.
    items: Vec<u64>,
    overhead: u64,
    phase: Phase,
    /// Fuel of the current phase.
    granted: u64,
    /// Fuel used in earlier phases.
    spent: u64,
    item_max: u64,
    /// Where `granted` comes from, for people.
    setting: &'static str,
}

const BY_ITEM: &str = "fuel_per_item and fuel_per_byte";

impl Meter {
    /// Begins instantiation or `describe`, which have no items. Returns the fuel to start with.
    pub(crate) fn begin_start(&mut self, limits: &Limits) -> u64 {
        *self = Self { granted: limits.fuel_start, setting: "fuel_start", ..Self::default() };
        self.granted
    }

    /// Begins a call with the given items, by their bytes. Returns the fuel to start with.
    pub(crate) fn begin(
        &mut self,
        limits: &Limits,
        metered: bool,
        items_bytes: impl Iterator<Item = usize>,
    ) -> u64 {
        self.metered = metered;
        self.setting = BY_ITEM;
        self.fuel_per_item = limits.fuel_per_item;
        self.items.clear();
        let mut of_bytes_all = 0_u64;
        for bytes in items_bytes {
            let of_bytes = limits.fuel_per_byte.saturating_mul(bytes as u64);
            of_bytes_all = of_bytes_all.saturating_add(of_bytes);
            self.items.push(limits.fuel_per_item.saturating_add(of_bytes));
        }
        let count = self.items.len() as u64;
        self.overhead =
            limits.fuel_overhead_per_item.saturating_mul(count).saturating_add(of_bytes_all);
        self.phase = Phase::Before;
        self.spent = 0;
        self.item_max = 0;
        self.granted = limits.fuel_per_item.saturating_add(self.overhead);
        if !metered {
            let items = self.items.iter().fold(0, |sum: u64, fuel| sum.saturating_add(*fuel));
            self.granted = self.granted.saturating_add(items).saturating_add(self.overhead);
        }
        self.granted
    }

    /// The guest begins item `index`, with so much fuel left. Returns the fuel to go on with.
    pub(crate) fn item(&mut self, index: u32, left: u64) -> Result<u64, Breach> {
        let count = self.items.len() as u32;
        let ascends = match self.phase {
            Phase::Before => true,
            Phase::Item(previous) => index > previous,
            Phase::After => false,
        };
        if !ascends || index > count {
            return Err(Breach::Item { index, count, phase: self.phase });
        }
        if !self.metered {
            self.phase = if index == count { Phase::After } else { Phase::Item(index) };
            return Ok(left);
        }
        self.close(left, index == count)?;
        let last = index + 1 == count;
        (self.phase, self.granted) = match self.items.get(index as usize) {
            Some(fuel) if last => (Phase::Item(index), fuel.saturating_add(self.overhead)),
            Some(fuel) => (Phase::Item(index), *fuel),
            None => (Phase::After, self.fuel_per_item.saturating_add(self.overhead)),
        };
        Ok(self.granted)
    }

    /// Ends the call. Returns the fuel that it used.
    pub(crate) fn end(&mut self, left: u64) -> u64 {
        let used = self.granted.saturating_sub(left);
        if let Phase::Item(_) = self.phase {
            self.item_max = self.item_max.max(used);
        }
        self.spent.saturating_add(used)
    }

    /// The item that is being worked on, where the guest says so.
    pub(crate) fn culprit(&self) -> Option<u32> {
        match self.phase {
            Phase::Item(index) if self.metered => Some(index),
            _ => None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// What to say when the fuel of the current phase is used up.
    pub(crate) fn out_of_fuel(&self) -> Breach {
        Breach::Fuel { limit: self.granted, setting: self.setting }
    }

    /// How many phases' worth of CPU time the current phase may use.
    pub(crate) fn shares(&self) -> u32 {
        if self.metered { 1 } else { (self.items.len() as u32).max(1) }
    }

    pub(crate) fn items(&self) -> usize {
        self.items.len()
    }

    /// The most that one item has used so far in this call.
    pub(crate) fn item_max(&self) -> u64 {
        self.item_max
    }

    /// Closes the current phase. The last item is held to its own budget once it is known where it
    /// ended.
    fn close(&mut self, left: u64, all_done: bool) -> Result<(), Breach> {
        let used = self.granted.saturating_sub(left);
        self.spent = self.spent.saturating_add(used);
        if let Phase::Item(index) = self.phase {
            self.item_max = self.item_max.max(used);
            let own = self.items[index as usize];
            if all_done && used > own {
                return Err(Breach::Fuel { limit: own, setting: self.setting });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn limits() -> Limits {
        Limits {
            fuel_per_item: 100,
            fuel_per_byte: 1,
            fuel_overhead_per_item: 10,
            ..Limits::default()
        }
    }

    fn begun(items: &[usize], metered: bool) -> (Meter, u64) {
        let mut meter = Meter::default();
        let fuel = meter.begin(&limits(), metered, items.iter().copied());
        (meter, fuel)
    }

    #[test]
    fn an_items_budget_does_not_depend_on_its_neighbours() {
        let (mut alone, _) = begun(&[7, 1], true);
        let (mut among, _) = begun(&[3, 900, 7, 5], true);
        assert_eq!(alone.item(0, 0).unwrap(), 107);
        assert_eq!(among.item(2, 0).unwrap(), 107);
    }

    #[test]
    fn what_an_item_leaves_is_not_handed_on() {
        let (mut meter, _) = begun(&[0, 0, 0], true);
        assert_eq!(meter.item(0, 130).unwrap(), 100);
        assert_eq!(meter.item(1, 99).unwrap(), 100);
    }

    #[test]
    fn unpacking_has_one_items_budget_and_an_allowance_per_item() {
        assert_eq!(begun(&[5, 5], true).1, 100 + 2 * 10 + 10);
    }

    #[test]
    fn the_last_item_is_held_to_its_own_budget_where_the_guest_says_that_it_ended() {
        let (mut meter, _) = begun(&[0], true);
        assert_eq!(meter.item(0, 0).unwrap(), 110);
        assert!(matches!(meter.item(1, 9), Err(Breach::Fuel { limit: 100, .. })));
        assert_eq!(meter.culprit(), Some(0));
        let (mut meter, _) = begun(&[0], true);
        meter.item(0, 0).unwrap();
        assert_eq!(meter.item(1, 10).unwrap(), 110);
        assert_eq!(meter.culprit(), None);
    }

    #[test]
    fn items_must_ascend_and_exist() {
        let (mut meter, _) = begun(&[0, 0, 0], true);
        meter.item(1, 0).unwrap();
        assert!(matches!(meter.item(1, 0), Err(Breach::Item { index: 1, count: 3, .. })));
        assert!(meter.item(0, 0).is_err());
        assert!(meter.item(4, 0).is_err());
        meter.item(3, 0).unwrap();
        assert!(meter.item(3, 0).is_err());
    }

    #[test]
    fn without_metering_a_call_gets_the_sum_and_has_no_culprit() {
        let (mut meter, fuel) = begun(&[1, 2], false);
        assert_eq!(fuel, 100 + 23 + 101 + 102 + 23);
        assert_eq!(meter.item(0, 77).unwrap(), 77);
        assert_eq!(meter.culprit(), None);
        assert_eq!(meter.end(49), 300);
    }

    #[test]
    fn fuel_used_is_summed_over_phases() {
        let (mut meter, fuel) = begun(&[0, 0], true);
        meter.item(0, fuel - 5).unwrap();
        let fuel = meter.item(1, 60).unwrap();
        assert_eq!(meter.end(fuel - 7), 5 + 40 + 7);
        assert_eq!(meter.item_max(), 40);
    }

    #[test]
    fn absurd_limits_saturate() {
        let limits = Limits {
            fuel_per_item: u64::MAX,
            fuel_per_byte: u64::MAX,
            fuel_overhead_per_item: u64::MAX,
            ..Limits::default()
        };
        let mut meter = Meter::default();
        assert_eq!(meter.begin(&limits, true, [usize::MAX, 3].into_iter()), u64::MAX);
        assert_eq!(meter.item(1, 0).unwrap(), u64::MAX);
    }
}
