"""What is accepted of what a peer proposes; pynetdicom writes the request and reads the answer."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from pynetdicom import sop_class
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext, build_context

from dicomweb_server.dimse import proposal
from dicomweb_server.dimse.contexts import TRANSFER_SYNTAXES, ContextRules, Preference, choose
from dicomweb_server.dimse.proposal import ContextAnswer, Proposal, ProposedContext
from dicomweb_server.dimse.server import Server
from tests.dimse import peer
from tests.dimse.peer import CT, EXPLICIT, IMPLICIT, VERIFICATION

JPEG, LOSSLESS, J2K = (f"1.2.840.10008.1.2.4.{last}" for last in ("50", "70", "90"))
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPIP = "1.2.840.10008.1.2.4.94"
PRIVATE = "1.2.840.113619.4.27"


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ([IMPLICIT], IMPLICIT),
        ([IMPLICIT, EXPLICIT], EXPLICIT),
        ([BIG_ENDIAN, IMPLICIT], IMPLICIT),
        ([LOSSLESS, EXPLICIT], LOSSLESS),
        ([EXPLICIT, J2K, LOSSLESS], J2K),
        ([JPEG, EXPLICIT], JPEG),
        ([EXPLICIT, JPEG], EXPLICIT),
        ([], None),
    ],
)
def test_a_compressed_form_is_kept_but_never_asked_for_at_the_cost_of_pixels(
    offered: list[str], taken: str | None
) -> None:
    assert choose(offered, Preference.COMPRESSED) == taken


def test_by_setting_the_first_syntax_offered_is_taken() -> None:
    assert choose([IMPLICIT, EXPLICIT, J2K], Preference.OFFERED) == IMPLICIT


def of(*contexts: tuple[str, Sequence[str]], service_classes: dict[str, str] | None = None) -> Proposal:
    asked = Proposal(1, "US", "THEM", b"")
    asked.contexts = [ProposedContext(2 * n + 1, abstract, tuple(t)) for n, (abstract, t) in enumerate(contexts)]
    asked.service_classes = service_classes or {}
    return asked


def test_each_context_gets_its_own_answer() -> None:
    asked = of((VERIFICATION, [IMPLICIT]), (CT, [JPIP]), (CT, [JPIP, LOSSLESS]), (PRIVATE, [EXPLICIT]))
    assert ContextRules().answer(asked) == [
        ContextAnswer(1, 0, IMPLICIT),
        ContextAnswer(3, 4, IMPLICIT),
        ContextAnswer(5, 0, LOSSLESS),
        ContextAnswer(7, 3, IMPLICIT),
    ]


@pytest.mark.parametrize(
    ("rules", "service_classes"),
    [
        (ContextRules(extra_classes=[PRIVATE]), {}),
        (ContextRules(private_classes=True), {}),
        (ContextRules(), {PRIVATE: "1.2.840.10008.4.2"}),
    ],
)
def test_a_private_class_is_stored_by_name_by_setting_or_when_called_storage(
    rules: ContextRules, service_classes: dict[str, str]
) -> None:
    (answer,) = rules.answer(of((PRIVATE, [EXPLICIT]), service_classes=service_classes))
    assert answer == ContextAnswer(1, 0, EXPLICIT)


def test_further_transfer_syntaxes_are_taken_by_setting() -> None:
    ge_private = "1.2.840.113619.5.2"
    asked = of((CT, [ge_private]))
    assert ContextRules().answer(asked) == [ContextAnswer(1, 4, IMPLICIT)]
    assert ContextRules(extra_syntaxes=[ge_private]).answer(asked) == [ContextAnswer(1, 0, ge_private)]


def test_a_retired_storage_class_is_still_taken() -> None:
    retired_ultrasound_multi_frame = "1.2.840.10008.5.1.4.1.1.3"
    (answer,) = ContextRules().answer(of((retired_ultrasound_multi_frame, [IMPLICIT])))
    assert answer.result == 0


@pytest.mark.parametrize("abstract", ["1.2.840.10008.5.1.4.1.2.1.1", "../../etc", "", "1.2.840.10008.5.1.4.31"])
def test_what_is_no_storage_class_is_refused_even_where_private_ones_are_let_in(abstract: str) -> None:
    (answer,) = ContextRules(private_classes=True).answer(of((abstract, [EXPLICIT])))
    assert answer.result == 3


def test_every_standard_storage_class_is_accepted() -> None:
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    answers = ContextRules().answer(of(*((abstract, [IMPLICIT]) for abstract in classes[:128])))
    answers += ContextRules().answer(of(*((abstract, [IMPLICIT]) for abstract in classes[128:])))
    assert {answer.result for answer in answers} == {0}
    assert sop_class.CTImageStorage in classes


def written_by_pynetdicom(contexts: list[PresentationContext]) -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "THEM", "US"
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    length = MaximumLengthNotification()
    length.maximum_length_received = 32768
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3"
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CT, True, True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = CT, b"\x02\0\x03\0\x01\0"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid, common.service_class_uid = PRIVATE, "1.2.840.10008.4.2"
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = 1, b"someone"
    primitive.user_information = [length, implementation, role, extended, common, identity]
    request = A_ASSOCIATE_RQ()
    request.from_primitive(primitive)
    encoded: bytes = request.encode()
    return encoded


def test_a_request_written_by_pynetdicom_is_read() -> None:
    asked = proposal.read(written_by_pynetdicom([build_context(CT, [EXPLICIT, J2K]), build_context(PRIVATE)])[6:])
    assert (asked.called_aet, asked.calling_aet, asked.maximum_length) == ("US", "THEM", 32768)
    assert asked.contexts[0] == ProposedContext(1, CT, (EXPLICIT, J2K))
    assert asked.contexts[1].abstract_syntax == PRIVATE
    assert asked.roles == {CT: (1, 1)}
    assert asked.extended == {CT}
    assert asked.service_classes == {PRIVATE: "1.2.840.10008.4.2"}


def test_the_answer_is_read_by_pynetdicom(server: Server) -> None:
    with peer.Peer(server.port) as scu:
        scu.say(written_by_pynetdicom([build_context(CT, [EXPLICIT]), build_context("1.2.840.10008.5.1.4.1.2.1.1")]))
        kind, body = scu.hear()
    assert kind == 2
    answer = A_ASSOCIATE_AC()
    answer.decode(peer.pdu(kind, body))
    accepted, refused = answer.presentation_context
    assert (accepted.presentation_context_id, accepted.result, accepted.transfer_syntax) == (1, 0, EXPLICIT)
    assert (refused.presentation_context_id, refused.result) == (3, 3)
    user = answer.user_information
    assert user.maximum_length >= 64 * 1024
    assert len(user.implementation_version_name) <= 16
    assert user.role_selection[CT].scu_role == 1
    assert user.role_selection[CT].scp_role == 0
    assert user.ext_neg[0].app_info == b"\x02\0\0\0\0\0"
    assert user.async_ops_window is None
    assert user.user_identity is None


def test_accepting_128_contexts_of_every_syntax_takes_a_moment_only() -> None:
    syntaxes = sorted(TRANSFER_SYNTAXES)
    contexts = [build_context(c.abstract_syntax, syntaxes) for c in AllStoragePresentationContexts[:128]]
    request = written_by_pynetdicom(contexts)
    durations = []
    for _ in range(5):
        start = time.thread_time()
        asked = proposal.read(request[6:])
        ContextRules().answer(asked)
        durations.append(time.thread_time() - start)
    assert min(durations) < 0.05
