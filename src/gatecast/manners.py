"""What tools for estimators expect of one: parameters that can be read, set and copied, and a name that shows them.

The rules are scikit-learn's, without scikit-learn: a constructor takes settings by name, keeps each as it came under
its own name, and does nothing else.  ``sklearn.base.clone`` and sktime's work on what follows them.
"""

from __future__ import annotations

import inspect
from typing import Any, Self

from gatecast.errors import SettingsError, nearest


class Estimator:
    """A forecaster whose constructor only keeps its settings."""

    @classmethod
    def _settings(cls) -> dict[str, Any]:
        """The constructor's settings and their defaults, in its order."""
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, as they were given; ``deep`` changes nothing, since none is an estimator."""
        del deep
        return {name: getattr(self, name) for name in self._settings()}

    def set_params(self, **params: Any) -> Self:
        """Change settings by name; what was fitted stays until ``fit`` is called again.

        Raises:
            SettingsError: a name is none of the settings'; nothing is changed then.
        """
        known = self._settings()
        for name in params:
            if name not in known:
                raise SettingsError(
                    f"{type(self).__name__} has no setting {name!r}.{nearest(name, known)} It has {', '.join(known)}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """The constructor's call, without what is left at its default."""
        told = [
            f"{name}={getattr(self, name)!r}"
            for name, default in self._settings().items()
            if getattr(self, name) is not default and getattr(self, name) != default
        ]
        return f"{type(self).__name__}({', '.join(told)})"
