"""JupyterHub's login by PAM or single sign-on, with a Kerberos ticket for each user."""

from jupyterhub_kerberos.authenticator import KerberosPAMAuthenticator
from jupyterhub_kerberos.spnego import KerberosSPNEGOAuthenticator

__all__ = ["KerberosPAMAuthenticator", "KerberosSPNEGOAuthenticator"]
