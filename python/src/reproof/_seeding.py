"""Seeds for all that draws at random, imported already or later."""

import importlib.abc
import importlib.machinery
import importlib.util
import random
import sys
from types import ModuleType
from typing import Any, Callable, Dict, Optional, Sequence


def _numpy(numpy: Any, seed: int, _threads: int) -> None:
    numpy.random.seed(seed)


def _torch(torch: Any, seed: int, threads: int) -> None:
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(threads)


def _tensorflow(tensorflow: Any, seed: int, _threads: int) -> None:
    tensorflow.random.set_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()


_SEEDERS: Dict[str, Callable[[Any, int, int], None]] = {
    "numpy": _numpy,
    "tensorflow": _tensorflow,
    "torch": _torch,
}


class _Loader(importlib.abc.Loader):
    """Loads a module as its own loader does, and seeds it."""

    def __init__(self, loader: importlib.abc.Loader, seed: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._seed = seed

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module finds its own loader, as if nobody stood between.
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._seed(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are to be seeded once they are imported."""

    def __init__(self, seed: int, threads: int) -> None:
        self.seed = seed
        self.threads = threads
        self._waiting = {name for name in _SEEDERS if name not in sys.modules}

    def find_spec(
        self,
        fullname: str,
        path: Optional[Sequence[str]] = None,  # noqa: ARG002
        target: Optional[ModuleType] = None,  # noqa: ARG002
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in self._waiting:
            return None
        # Whoever finds it otherwise is asked with this name out of the way.
        self._waiting.discard(fullname)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, lambda module: self.set(fullname, module))
        return spec

    def set(self, name: str, module: Any) -> None:
        _SEEDERS[name](module, self.seed, self.threads)


def seed_everything(seed: int, threads: int) -> int:
    """See `Step.seed_everything`."""
    for finder in [finder for finder in sys.meta_path if isinstance(finder, _Finder)]:
        sys.meta_path.remove(finder)
    random.seed(seed)
    finder = _Finder(seed, threads)
    for name in _SEEDERS:
        if name in sys.modules:
            finder.set(name, sys.modules[name])
    sys.meta_path.insert(0, finder)
    return seed
