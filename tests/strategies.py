"""Values that hypothesis draws."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import strategies as st

from airflow_provider_contacts.conditions import (
    Bounced,
    Clicked,
    Condition,
    Connected,
    HasPhone,
    InStage,
    InvitationPending,
    LastInteraction,
    Opened,
    Replied,
    Tagged,
    Unsubscribed,
)
from airflow_provider_contacts.contact import Contact

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)

times = st.none() | st.sampled_from([NOW, NOW - timedelta(days=5), NOW + timedelta(days=5)])

durations = st.sampled_from(["30m", "12h", "7d", "2w", timedelta(days=36_000)])

leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Replied, since=times | durations),
    st.builds(
        InvitationPending,
        older_than=times | durations,
        invitation_type=st.none() | st.sampled_from(["sent", "RECEIVED"]),
    ),
    st.builds(lambda moment: LastInteraction(before=moment), st.just(NOW) | durations),
    st.builds(lambda moment: LastInteraction(after=moment), st.just(NOW) | durations),
    st.builds(lambda moment: LastInteraction(after=NOW, before=moment), durations),
    st.sampled_from([Connected(), Opened(), Clicked(), Bounced(), Unsubscribed(), HasPhone()]),
    st.builds(Tagged, name=st.sampled_from(["VIP", "vip", "Möglich"])),
    st.lists(st.sampled_from(["Interested", "INTERESTED", "Straße", "STRASSE"]), min_size=1).map(
        lambda names: InStage(*names)
    ),
)

conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=6,
)

contacts = st.builds(
    Contact,
    vendor=st.just("v"),
    account_id=st.just(""),
    contact_id=st.just("1"),
    replied=st.none() | st.booleans(),
    replied_at=times,
    last_interaction_at=times,
    opened_at=times,
    clicked_at=times,
    bounced_at=times,
    unsubscribed_at=times,
    invited_at=times,
    invitation_type=st.none() | st.sampled_from(["SENT", "received"]),
    phone=st.none() | st.just("+1"),
    tags=st.sampled_from([(), ("VIP",), ("Möglich", "x")]),
    stage=st.none() | st.sampled_from(["interested", "STRASSE"]),
    invitation_state=st.none() | st.sampled_from(["PENDING", "accepted", "sent"]),
    unknown_fields=st.lists(
        st.sampled_from(
            [
                "tags",
                "stage",
                "phone",
                "invitation_state",
                "opened_at",
                "clicked_at",
                "bounced_at",
                "unsubscribed_at",
            ]
        )
    ).map(tuple),
)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
