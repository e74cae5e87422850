"""The dashboard that `walkbench dashboard` opens: the menu of pages, the choice of a study.

Each page of `dashboard.pages` is a script under views/. The folder is not called `pages`: Streamlit
would run a page in it without this script, and so without the menu and the study.
"""

import streamlit as st

from dashboard import frame
from dashboard.icon import icon
from dashboard.pages import PAGES

st.set_page_config(page_title="Walkbench", page_icon=icon(), layout="wide")
first, *others = PAGES.names()
home = PAGES.get(first)
shown = {first: st.Page(home.script, title=home.title, icon=home.material, default=True,
                        url_path="home")}  # fmt: skip
for name in others:
    found = PAGES.get(name)
    shown[name] = st.Page(found.script, title=found.title, icon=found.material, url_path=name)
st.session_state["pages"] = shown
# Streamlit puts the first page at the root alone; an address with its name shows it too.
named = st.Page(home.script, title=home.title, url_path=first, visibility="hidden")
page = st.navigation([*shown.values(), named], position="top")
frame.draw(page.title)
page.run()
