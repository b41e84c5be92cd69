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
    Opened,
    Replied,
    Tagged,
)
from airflow_provider_contacts.contact import Contact

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)

times = st.none() | st.sampled_from([NOW, NOW - timedelta(days=5), NOW + timedelta(days=5)])

leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Replied, since=times),
    st.sampled_from([InvitationPending(), Connected(), Opened(), Clicked(), Bounced(), HasPhone()]),
    st.builds(Tagged, name=st.sampled_from(["VIP", "vip", "Möglich"])),
    st.builds(InStage, name=st.sampled_from(["Interested", "INTERESTED", "Straße", "STRASSE"])),
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
    phone=st.none() | st.just("+1"),
    tags=st.sampled_from([(), ("VIP",), ("Möglich", "x")]),
    stage=st.none() | st.sampled_from(["interested", "STRASSE"]),
    invitation_state=st.none() | st.sampled_from(["PENDING", "accepted", "sent"]),
    unknown_fields=st.lists(
        st.sampled_from(
            ["tags", "stage", "phone", "invitation_state", "opened_at", "clicked_at", "bounced_at"]
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
