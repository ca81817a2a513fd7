"""Why a user is not let in, or gets no ticket: a sentence for the user, the details for the administrator's log."""


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


class UnusableTicketError(TicketError):
    """What should be the user's ticket is somebody else's, or over."""


class WrongPasswordError(TicketError):
    """The KDC does not take the password."""

    sentence = "Invalid username or password"
    status = 403


class PasswordExpiredError(TicketError):
    """The KDC wants a new password first."""

    sentence = "Your password has expired. Change it, then log in here again."
    status = 403


class AccountClosedError(TicketError):
    """PAM takes the password, but not the account."""

    sentence = "Your account may not log in on this server: it is locked or has expired. Please ask your administrator."
    status = 403


class AccountRefusedError(TicketError):
    """The KDC knows no such principal, or has it locked or expired."""

    sentence = "Your account is unknown to Kerberos, locked or expired. Please ask your administrator."
    status = 403


class NoAccountError(TicketError):
    """There is no account of that name on this host."""

    sentence = "You have no account on this server. Check the name, or ask the administrator for an account."
    status = 403


class NotAllowedError(TicketError):
    """The user is in none of the groups that may log in."""

    sentence = "You may not use this server. Ask its administrator to let you in."
    status = 403


class LoginServiceError(TicketError):
    """PAM itself does not work."""

    sentence = "Logging in does not work on this server at the moment. Please tell its administrator."


class TooManyLoginsError(TicketError):
    """More people wait for PAM and the KDC than the hub lets."""

    sentence = "Too many people are logging in at the moment. Please try again in a minute."
    status = 503


class NoSpaceError(TicketError):
    """The file system of the tickets is full."""

    sentence = "This server has no space left for your Kerberos ticket. Please tell its administrator."
    status = 507


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


class NegotiationError(TicketError):
    """What the browser sent does not prove who its user is."""

    sentence = "Single sign-on did not work. Please type your name and password."
    status = 403


class NoTicketPassedOnError(TicketError):
    """The browser's user has no ticket any more, and the browser passed on none."""

    sentence = "Your browser passed on no Kerberos ticket. Please type your password to get one."
    status = 403
