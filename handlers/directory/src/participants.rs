//! Participants: whether each takes part.

use scheme::directory::ListedParticipant;
use scheme::participant_events::{
    ParticipantActivated, ParticipantCreated, ParticipantDeactivated,
};
use zamu_guest::projection::TableDeclaration;
use zamu_guest::{KeyedTable, Projection, ProjectionContext, Rows};

/// Every participant that was taken up, by its id.
pub const PARTICIPANTS: KeyedTable<ListedParticipant> =
    KeyedTable::new(scheme::directory::PARTICIPANTS).reference();

zamu_guest::messages! {
    /// What can happen to a participant.
    pub enum Event { ParticipantCreated, ParticipantActivated, ParticipantDeactivated }
}

/// Makes the table of participants.
#[derive(Clone, Copy, Debug)]
pub struct Participants;

impl Projection for Participants {
    const TYPE: &'static str = scheme::PARTICIPANT;
    const TABLES: &'static [TableDeclaration] = &[PARTICIPANTS.declared()];
    type Event = Event;

    fn project(event: &Event, _: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        let active = match event {
            Event::ParticipantActivated(ParticipantActivated {}) => true,
            Event::ParticipantCreated(_) | Event::ParticipantDeactivated(_) => false,
        };
        *rows.current(&PARTICIPANTS) = Some(ListedParticipant { active });
    }
}
