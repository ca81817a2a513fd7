"""JupyterHub's login by PAM, with a Kerberos ticket for each user."""

from jupyterhub_kerberos.authenticator import KerberosPAMAuthenticator

__all__ = ["KerberosPAMAuthenticator"]
