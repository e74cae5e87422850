"""`PAGES`: the registry of the dashboard's pages, in the order of its menu.

A page is a script in `dashboard/views` that shows cards. To add one, register it before the app
runs; `tests/extending/test_add_page.py` does.

>>> PAGES.get("pareto").title
'Pareto front'
"""

from dataclasses import dataclass
from pathlib import Path

from search_space.registry import Registry

VIEWS = Path(__file__).with_name("views")


@dataclass(frozen=True)
class Page:
    """A page of the menu: its title, the name of its icon among Material Symbols, its script."""

    title: str
    icon: str
    script: Path

    @property
    def material(self) -> str:
        """The icon in Streamlit's words."""
        return f":material/{self.icon}:"


PAGES: Registry[Page] = Registry(
    "page",
    {
        "overview": Page("Overview", "dashboard", VIEWS / "overview.py"),
        "pareto": Page("Pareto front", "scatter_plot", VIEWS / "pareto.py"),
        "design": Page("Design", "account_tree", VIEWS / "design.py"),
        "walk": Page("Design walk", "stairs", VIEWS / "walk.py"),
        "ablation": Page("Ablation", "rule", VIEWS / "ablation.py"),
        "latency": Page("Latency", "timer", VIEWS / "latency.py"),
        "proxies": Page("Proxies", "science", VIEWS / "proxies.py"),
        "training": Page("Training runs", "model_training", VIEWS / "training.py"),
    },
)
