"""Why a user gets no ticket: a sentence for the user, the details for the administrator's log."""


class TicketError(Exception):
    """No ticket, for a reason that neither the user nor the KDC can help.

    Args:
        detail: for the log; names the principal or the realm, never holds a secret.
    """

    sentence = "You could not be given a Kerberos ticket. Please tell the administrator of this server."
    """What the user reads."""
    status = 500
    """HTTP status of the page that says so."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


class WrongPasswordError(TicketError):
    """The KDC does not take the password."""

    sentence = "Invalid username or password"
    status = 403


class PasswordExpiredError(TicketError):
    """The KDC wants a new password first."""

    sentence = "Your password has expired. Change it, then log in here again."
    status = 403


class AccountRefusedError(TicketError):
    """The KDC knows no such principal, or has it locked or expired."""

    sentence = "Your account is unknown to Kerberos, locked or expired. Please ask your administrator."
    status = 403


class KdcUnreachableError(TicketError):
    """No KDC of the realm answered within the time limit."""

    sentence = "The login server (Kerberos) cannot be reached at the moment. Please try again in a few minutes."
    status = 503


class KdcNotGenuineError(TicketError):
    """What answered as KDC does not have the key that the host's keytab has."""

    sentence = "The login server (Kerberos) could not be verified. Please tell the administrator of this server."
    status = 503


class ClockSkewError(TicketError):
    """This host's clock and the KDC's are too far apart."""

    sentence = "The clock of this server is wrong, so Kerberos refuses it. Please tell its administrator."
    status = 503
