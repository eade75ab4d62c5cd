"""The host's side of nettests: the control protocol. The judges of the single tests are in judges.py.

nettests runs in the guest, but what counts is decided here, from frames and datagrams that this side saw.
Each test gets a session: a fresh random number that the guest must put into what it sends, and fresh
ports, keys and secrets that it can know only by really receiving them. A guest that prints "OK" without
the traffic gets no verdict here, and the run fails.

The protocol: one UDP datagram of ASCII words each way, to port 7000 of the peer.

    request   SEQUENCE VERB [WORD] [NAME=VALUE]...
    answer    SEQUENCE ok [NAME=VALUE]...         or   SEQUENCE fail TEXT

    hello                        is the peer there?  ok tests=NUMBER
    begin TEST [NAME=VALUE]...   opens a session:    ok session=16 hex digits, what the test needs
    go SESSION                   the peer sends the test's datagrams, then answers: so whoever has the
                                 answer knows that all of them are on the wire before it
    end SESSION [NAME=VALUE]...  the guest's proofs: ok   or   fail expected ..., got ...

SEQUENCE is a word of the guest's choice, different in each request; a request that comes again (its answer
was lost) gets the same answer again and has no other effect. The guest asks three times, 900 ms apart.
"""

import secrets
import threading

from .judges import JUDGES, Mismatch

PORT_CONTROL = 7000
ANSWERS_KEPT = 4096


class Control:
    """verdicts: test name -> None (passed) or the text of the failure; begun: names in order."""

    def __init__(self, host):
        self.host = host
        self.verdicts = {}
        self.begun = []
        self.log = []  # requests and answers, for the evidence
        self._sessions = {}
        self._answers = {}  # (guest address, port, sequence) -> answer
        self._changed = threading.Condition()
        host.open(self._request, PORT_CONTROL)

    def failures(self, expected=None):
        """What is wrong with the run as {test: text}; `expected`: the tests that must have passed."""
        with self._changed:
            result = {name: text for name, text in self.verdicts.items() if text is not None}
            for name in expected if expected is not None else JUDGES:
                if name not in self.verdicts:
                    state = "began, but did not end" if name in self.begun else "never began"
                    result[name] = f"expected a verdict, got none: the test {state}"
        return result

    def wait_for_verdict(self, name, timeout):
        with self._changed:
            return self._changed.wait_for(lambda: name in self.verdicts, timeout)

    def _request(self, datagram):
        words = datagram.payload.decode("ascii", "replace").split()
        if len(words) < 2:
            return
        sequence, verb, arguments = words[0], words[1], words[2:]
        key = (datagram.packet.source, datagram.source_port, sequence)
        answer = self._answers.get(key)
        if answer is None:
            answer = f"{sequence} {self._execute(verb, arguments, datagram.packet.source)}"
            if len(self._answers) >= ANSWERS_KEPT:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = answer
            self.log.append(f"{' '.join(words)}\n    -> {answer}\n")
        self.host.reply(datagram, answer.encode())

    def _execute(self, verb, arguments, guest):
        subject = arguments[0] if arguments else ""
        try:
            values = dict(word.split("=", 1) for word in arguments[1:])
            if verb == "hello":
                return f"ok tests={len(JUDGES)}"
            if verb == "begin" and subject in JUDGES:
                return self._begin(subject, values, guest)
            if verb == "go" and subject in self._sessions:
                return "ok" + _words(self._sessions[subject].go() or {})
            if verb == "end" and subject in self._sessions:
                return self._end(subject, values)
        except (KeyError, ValueError) as error:
            return f"fail bad request: {error!r}"
        return f"fail no such request: {verb} {subject}"

    def _begin(self, name, values, guest):
        session = secrets.token_hex(8)
        judge = JUDGES[name](self.host, guest, bytes.fromhex(session), values)
        judge.name = name
        self._sessions[session] = judge
        self.begun.append(name)
        return f"ok session={session}" + _words(judge.parameters())

    def _end(self, session, proofs):
        judge = self._sessions.pop(session)
        try:
            judge.verdict(proofs)
            text = None
        except Mismatch as mismatch:
            text = str(mismatch)
        except (LookupError, ValueError, AttributeError) as error:  # a proof, or the go, is missing
            text = f"expected a proof, got none: {error!r}"
        judge.close()
        with self._changed:
            # One failure stands, whatever a later session of the same name brings.
            if self.verdicts.get(judge.name) is None:
                self.verdicts[judge.name] = text
            self._changed.notify_all()
        return "ok" if text is None else f"fail {text}"


def _words(values):
    return "".join(f" {name}={value}" for name, value in values.items())
