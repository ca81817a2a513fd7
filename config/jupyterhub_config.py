"""JupyterHub's configuration on this server. Yours to edit: an upgrade never overwrites it.

Settings:            /etc/jupyterhub/hub.yaml               (`hubctl config validate` checks them)
Python of your own:  /etc/jupyterhub/jupyterhub_config.d/   (*.py, in alphabetical order, after the settings)
"""

from hubctl.configuration import configure

c = get_config()  # noqa: F821  # JupyterHub provides it
configure(c)

# Below this line `c` holds everything that was set above; what is set here has the last word.
