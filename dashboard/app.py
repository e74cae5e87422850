"""The dashboard that `walkbench dashboard` opens: the menu of pages, the choice of a study.

Each page of `dashboard.pages` is a script under views/. The folder is not called `pages`: Streamlit
would run a page in it without this script, and so without the menu and the study.
"""

import streamlit as st

from dashboard import frame
from dashboard.icon import icon
from dashboard.pages import PAGES

st.set_page_config(page_title="Walkbench", page_icon=icon(), layout="wide")
pages = [
    st.Page(
        page.script,
        title=page.title,
        icon=f":material/{page.icon}:",
        url_path=name,
        default=name == PAGES.names()[0],
    )
    for name, page in ((name, PAGES.get(name)) for name in PAGES.names())
]
st.session_state["pages"] = dict(zip(PAGES.names(), pages, strict=True))
page = st.navigation(pages, position="top")
frame.draw(page.title)
page.run()
